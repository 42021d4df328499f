"""Limit the time that root's side spends on one site: so many seconds in a minute.

A site may ask every 0.3 s, or write rules that take long to verify and make PID 1 reload slowly. What it asks
for beyond its budget waits, and then comes as one; the other sites go on meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from linod_systemd.common import files
from linod_systemd.units import plan

WINDOW = 60.0  # seconds


class TimeBudget:
    """The budget of one site: a ``with`` statement waits until some is left, and notes what is spent.

    :param folder: of root's side (locks.directory()).
    :param budget: seconds in each minute.
    """

    def __init__(self, folder: Path, site: str, budget: float) -> None:
        self._path = folder / f"{site}.pace"
        self._site = site
        self._budget = budget
        self._reloads = 0.0

    def __enter__(self) -> TimeBudget:
        time.sleep(wait_before(self._spent(), time.monotonic(), self._budget))
        return self

    def __exit__(self, *_: object) -> None:
        cost = sum(os.times()[:4]) + self._reloads  # of this process and its children
        now = time.monotonic()
        recent = [(at, spent) for at, spent in self._spent() if now - WINDOW < at <= now]
        files.write_atomically(self._path, json.dumps([*recent, (now, cost)]), mode=0o600)

    @contextlib.contextmanager
    def reload(self, directory: Path) -> Iterator[None]:
        """Count a reload of PID 1 as far as it is the site's: by the size of its units among all."""
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        sizes = plan.sizes(plan.read_installed(directory))
        self._reloads += took * sizes.get(self._site, 0) / max(1, sum(sizes.values()))

    def _spent(self) -> list[tuple[float, float]]:
        try:
            text = self._path.read_text(encoding="ascii")
        except FileNotFoundError:
            return []
        return [(float(at), float(cost)) for at, cost in json.loads(text)]


def wait_before(spent: Collection[tuple[float, float]], now: float, budget: float) -> float:
    """Seconds until less than the budget was spent in the minute before; at most a minute.

    Example: 5 s spent 50 s ago and 8 s spent 10 s ago, of a budget of 12: wait for 10 s.

    :param spent: when (monotonic seconds) and how many seconds.
    """
    recent = sorted((at, cost) for at, cost in spent if now - WINDOW < at <= now)
    total, wait = sum(cost for _, cost in recent), 0.0
    for at, cost in recent:
        if total < budget:
            break
        total -= cost
        wait = at + WINDOW - now
    return wait
