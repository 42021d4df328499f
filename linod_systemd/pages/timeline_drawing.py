"""Draw a timeline: from runs to shapes whose places are numbers from 0 to WIDTH. Pure, without Django.

Runs that are many are thinned out: those that lie closer together than a gap become one shape that says how
many it stands for. The gap grows until the shapes are few enough for a page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

WIDTH = 1000.0
NARROWEST = 1.5
SHAPES = 1500  # on a page
CROWD = 5  # rules that start in one minute
CROWDS = 20  # that are marked
QUARTER = timedelta(minutes=15)
# The ends of runs, worst first: a shape that stands for many has the colour of the worst.
KINDS = ("bad", "running", "stopped", "good", "skipped")


@dataclass(frozen=True)
class Window:
    """The time that is drawn (aware)."""

    begin: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.begin

    def x(self, instant: datetime) -> float:
        """The place of an instant; of one outside, that of the nearer edge."""
        return min(max((instant - self.begin) / self.length, 0.0), 1.0) * WIDTH


@dataclass(frozen=True)
class Run:
    """One run; ``kind``: one of KINDS. ``end`` is now where it has not ended."""

    pk: int
    begin: datetime
    end: datetime
    kind: str


@dataclass(frozen=True)
class Shape:
    """One run, or several that lie close together."""

    x: float
    width: float
    runs: Sequence[Run]

    @property
    def kind(self) -> str:
        return min((run.kind for run in self.runs), key=KINDS.index)

    @property
    def path(self) -> str:
        return path(self.x, self.width)


def path(x: float, width: float) -> str:
    """The `d` of a bar in a row that is 20 high."""
    width = max(width, NARROWEST)
    return f"M{x:.4g} 3h{width:.4g}v14h-{width:.4g}z"


def shapes(rows: Mapping[str, Sequence[Run]], window: Window, most: int = SHAPES) -> dict[str, list[Shape]]:
    """Return the shapes of each row, of no more than ``most`` in all (but at least one a row)."""
    gap = 0.0
    while True:
        found = {name: list(_grouped(runs, window, gap)) for name, runs in rows.items()}
        if sum(map(len, found.values())) <= most or gap > WIDTH:
            return found
        gap = gap * 2 or NARROWEST


def _grouped(runs: Sequence[Run], window: Window, gap: float) -> Iterable[Shape]:
    group: list[Run] = []
    left = right = 0.0
    for run in runs:
        x, end = window.x(run.begin), window.x(run.end)
        if group and (gap == 0 or x - right >= gap):
            yield Shape(left, right - left, group)
            group = []
        if not group:
            left, right = x, end
        group.append(run)
        right = max(right, end, left + NARROWEST)
    if group:
        yield Shape(left, right - left, group)


def coming(
    instants: Sequence[datetime], window: Window, gap: float = NARROWEST * 2
) -> list[tuple[float, float]]:
    """Return the places and widths of runs that are still to come; those that are close make one."""
    found: list[tuple[float, float]] = []
    for instant in instants:
        x = window.x(instant)
        if found and x - sum(found[-1]) < 2 * NARROWEST:
            found[-1] = (found[-1][0], x + NARROWEST - found[-1][0])
        else:
            found.append((x, NARROWEST))
    return found


def crowds(starts: Mapping[str, Iterable[datetime]]) -> list[tuple[datetime, int]]:
    """Return the minutes in which many rules start, with the number of these, in their order."""
    rules_of: dict[datetime, set[str]] = defaultdict(set)
    for rule, instants in starts.items():
        for instant in instants:
            rules_of[instant.replace(second=0, microsecond=0)].add(rule)
    crowded = [(minute, len(rules)) for minute, rules in rules_of.items() if len(rules) >= CROWD]
    return sorted(sorted(crowded, key=lambda one: -one[1])[:CROWDS])


def ticks(window: Window, zone: ZoneInfo) -> list[tuple[float, str]]:
    """Return the places of the axis with their words, on a zone's wall clock."""
    step, is_tick, style = _scale(window.length)
    instant = window.begin.replace(minute=0, second=0, microsecond=0)
    found = []
    while instant < window.end:
        local = instant.astimezone(zone)
        if instant >= window.begin and is_tick(local):
            found.append((window.x(instant), f"{local:{style}}"))
        instant += step
    return found


def _scale(length: timedelta) -> tuple[timedelta, Callable[[datetime], bool], str]:
    if length <= timedelta(hours=1):
        return timedelta(minutes=5), lambda at: at.minute % 10 == 0, "%H:%M"
    if length <= timedelta(days=1):
        return QUARTER, lambda at: at.hour % 3 == 0 and at.minute == 0, "%H:%M"
    return QUARTER, lambda at: at.hour == 0 and at.minute == 0, "%a %d"
