"""Find circles in ``run_after``, by which rules go before others that are due with them. Pure."""

from __future__ import annotations

import contextlib
import graphlib
from collections.abc import Collection, Mapping

MOST_STEPS = 10  # of a circle that are told


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


def in_circles(run_after: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    """The names that are in a circle, or between two: each with a way that leads on from it, as above.

    Example: ``{"a": ["b"], "b": ["a"], "c": ["a"]}`` gives a and b, not c, which may go last.
    """
    left = {name: set(others) & run_after.keys() for name, others in run_after.items()}
    for _ in range(2):  # those with no circle before them go; turned round, those with no circle behind them
        sorter = graphlib.TopologicalSorter(left)
        gone: set[str] = set()
        with contextlib.suppress(graphlib.CycleError):
            sorter.prepare()
        while ready := sorter.get_ready():
            gone.update(ready)
            sorter.done(*ready)
        turned: dict[str, set[str]] = {name: set() for name in left if name not in gone}
        for name in turned:
            for other in left[name] & turned.keys():
                turned[other].add(name)
        left = turned
    return {name: _way(name, left) for name in run_after if name in left}


def _way(name: str, run_after: Mapping[str, Collection[str]]) -> list[str]:
    """A few steps from a name, each of which runs after the next one, until one comes twice."""
    way = [name]
    while len(way) < MOST_STEPS and way.count(way[-1]) == 1:
        way.append(min(run_after[way[-1]]))
    return way


def in_words(names: Collection[str]) -> str:
    """``a runs after b, which runs after a``."""
    first, second, *others = map(repr, names)
    if first == second:
        return f"{first} runs after itself"
    return f"{first} runs after {second}" + "".join(f", which runs after {name}" for name in others)
