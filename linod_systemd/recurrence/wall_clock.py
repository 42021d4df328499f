"""Convert between the wall clock of a time zone and UTC, over the jumps of the clock. Pure."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Transition:
    """``instant`` (UTC) is the first with the new offset; ``before`` and ``after`` are what the clock would
    have shown then, and shows."""

    instant: datetime
    before: datetime
    after: datetime

    def skips(self, at: time) -> date | None:
        """The date on which this time of day does not exist, if there is one."""
        for day in (self.before.date(), self.after.date()):
            if self.before <= datetime.combine(day, at) < self.after:
                return day
        return None


@functools.lru_cache(maxsize=256)
def transitions(
    zone: ZoneInfo, begin: datetime, until: datetime, step: timedelta = DAY
) -> tuple[Transition, ...]:
    """The jumps of a zone's clock between two instants (UTC), of which none undoes another within a step."""
    found = []
    low = begin.replace(microsecond=0)
    while low < until:
        high = low + step
        if _offset(zone, low) != _offset(zone, high):
            found.append(_between(zone, low, high))
        low = high
    return tuple(found)


def _between(zone: ZoneInfo, low: datetime, high: datetime) -> Transition:
    before, after = _offset(zone, low), _offset(zone, high)
    while high - low > SECOND:
        middle = low + (high - low) // (2 * SECOND) * SECOND
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    naive = high.replace(tzinfo=None)
    return Transition(high, naive + before, naive + after)


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def is_repeated(instant: datetime, zone: ZoneInfo) -> bool:
    """Whether the clock shows the time of this instant (UTC) twice, now or again."""
    local = instant.astimezone(zone)
    return local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()


def in_utc(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A time on the wall clock in UTC: one that does not exist by the offset before the gap, of one that
    exists twice the first (fold=0, PEP 495).

    :raises OverflowError: beyond the calendar's ends.
    """
    return datetime.combine(day, at.replace(fold=0) if at.fold else at, zone).astimezone(UTC)


def lacks_new_year(zone: ZoneInfo, begin: datetime, until: datetime) -> bool:
    """Whether a year begins between two instants whose first midnight does not exist, as Kathmandu's of 1986.

    systemd finds no instant of such a year from one of the year before (docs/systemd-facts.md, 37).
    """
    years = range(begin.astimezone(zone).year + 1, until.astimezone(zone).year + 1)
    return any(in_utc(date(year, 1, 1), time(), zone).astimezone(zone).time() != time() for year in years)


def later(at: time, seconds: int) -> tuple[int, time]:
    """A time of day so many seconds later, on a clock that does not jump: the days passed, and the time."""
    days, second = divmod(at.hour * 3600 + at.minute * 60 + at.second + seconds, 86400)
    return days, time(second // 3600, second // 60 % 60, second % 60)
