"""Which rules (or procedures) go before which when they are due together: ``run_after``. Pure."""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Mapping


def circle(run_after: Mapping[str, Collection[str]]) -> list[str]:
    """A circle among these names, each of which runs after the next one, the first being also the last.

    :param run_after: name → the names that go first.
    :returns: nothing where there is none.
    """
    try:
        graphlib.TopologicalSorter(run_after).prepare()
    except graphlib.CycleError as error:
        found: list[str] = error.args[1]  # each is a predecessor of the one behind it
        return found[::-1]
    return []


def in_words(names: Collection[str]) -> str:
    """``a runs after b, which runs after a``."""
    first, second, *others = map(repr, names)
    if first == second:
        return f"{first} runs after itself"
    return f"{first} runs after {second}" + "".join(f", which runs after {name}" for name in others)
