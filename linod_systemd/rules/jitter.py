"""Compute the delay of a rule from its jitter: the same each time for a rule on a host. Pure.

Rules that are due together start in the order of run_after. Each of them waits until its After= units have
run, but only for those that have begun by then: so a rule is delayed by at least as much as the rules that
it names, and as those that they name. One with no jitter of its own is then delayed, too.
"""

from __future__ import annotations

import graphlib
import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol


class Jittery(Protocol):
    """The fields of a rule from which its delay follows; jitter in seconds."""

    @property
    def name(self) -> str: ...
    @property
    def jitter(self) -> int: ...
    @property
    def run_after(self) -> Iterable[str]: ...


def offset(site: str, rule: str, host: str, jitter: int) -> int:
    """Seconds from 0 to ``jitter``, hashed from site, rule and host."""
    key = "\0".join((site, rule, host)).encode()
    return int.from_bytes(hashlib.sha256(key).digest()) % (jitter + 1)


def delays(rules: Iterable[Jittery], site: str, host: str) -> dict[str, int]:
    """:func:`delay` for each of the rules of a site, of which none runs after itself: name → seconds."""
    known = {rule.name: rule for rule in rules}
    order = graphlib.TopologicalSorter(
        {name: set(rule.run_after) & known.keys() for name, rule in known.items()}
    )
    found: dict[str, int] = {}
    for name in order.static_order():
        rule = known[name]
        before = [found[other] for other in rule.run_after if other in found]
        found[name] = max([offset(site, name, host, rule.jitter), *before])
    return found


def delay(rule: Jittery, find: Callable[[str], Jittery | None], site: str, host: str) -> int:
    """Seconds by which a rule is delayed: its own offset, or the largest of those that go first.

    :param find: gives the rule of a name, or None: there is none, so that nobody waits for it.
    """
    seen = {rule.name: rule}
    waiting = list(rule.run_after)
    while waiting:
        name = waiting.pop()
        if name not in seen and (other := find(name)) is not None:
            seen[name] = other
            waiting += other.run_after
    return max(offset(site, one.name, host, one.jitter) for one in seen.values())
