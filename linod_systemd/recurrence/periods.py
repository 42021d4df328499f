"""Count the instants of a period of seconds, kept on the ticked local weekdays (docs/recurrence.md). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from linod_systemd.recurrence import wall_clock

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Ticks:
    """Every ``step`` of elapsed time from ``anchor`` (aware, UTC) to ``ceiling``, on the ticked weekdays.

    ``days`` are those weekdays in ``zone`` (Monday is 0, empty: every day). Arithmetic finds a tick or
    a ticked day, so that what lies far from the anchor costs no more than what lies near.
    """

    anchor: datetime
    step: timedelta
    days: frozenset[int]
    zone: ZoneInfo
    ceiling: datetime

    def ascending(self, floor: datetime) -> Iterator[datetime]:
        """The ticks after ``floor``."""
        number = max(0, (floor - self.anchor) // self.step + 1)
        while number <= (self.ceiling - self.anchor) // self.step:
            instant = self.anchor + number * self.step
            ticked = self.ticked_from(instant)
            if ticked == instant:
                yield instant
            number = max(number + 1, -((self.anchor - ticked) // self.step))

    def descending(self, begin: datetime) -> Iterator[datetime]:
        """The ticks at or before ``begin``, backwards."""
        number = (min(begin, self.ceiling) - self.anchor) // self.step
        while number >= 0:
            instant = self.anchor + number * self.step
            number -= 1
            if self.is_ticked(instant):
                yield instant
            else:
                midnight = self._midnight(instant.astimezone(self.zone).date())
                number = min(number, (midnight - INSTANT - self.anchor) // self.step)

    def nth(self, number: int) -> datetime | None:
        """The tick of this number, the first being 1; None where there are fewer.

        Weeks in which the clock does not jump are counted whole, the others day by day.
        """
        if not self.days:
            reached = number - 1 <= (self.ceiling - self.anchor) // self.step
            return self.anchor + (number - 1) * self.step if reached else None
        begin = self.anchor
        while begin <= self.ceiling:
            if self._offset(begin) == self._offset(begin + WEEK):
                ticks = self._in_week(begin)
                if number > ticks:
                    number -= ticks
                    begin += WEEK
                    continue
            end = begin + WEEK
            floor = begin - INSTANT
            while (first := next(self.ascending(floor), None)) is not None and first < end:
                midnight = max(self._midnight(first.astimezone(self.zone).date() + DAY), first + INSTANT)
                ticks = -((first - min(midnight, end)) // self.step)
                if number <= ticks:
                    found = first + (number - 1) * self.step
                    return found if found <= self.ceiling else None
                number -= ticks
                floor = min(midnight, end) - INSTANT
            begin = end
        return None

    def _in_week(self, begin: datetime) -> int:
        """The number of ticks in the seven days from an instant on, in which the clock does not jump."""
        local = begin.astimezone(self.zone)
        since_monday = local - local.replace(hour=0, minute=0, second=0) + local.weekday() * DAY
        passed = begin - self.anchor

        def between(low: timedelta, high: timedelta) -> int:
            return self._before(passed + high) - self._before(passed + low)

        count = 0
        for day in self.days:
            start = (day * DAY - since_monday) % WEEK
            count += between(start, min(start + DAY, WEEK))
            count += between(timedelta(), max(start + DAY - WEEK, timedelta()))
        return count

    def _before(self, passed: timedelta) -> int:
        """The number of ticks in so much time since the anchor, the end not included."""
        return -(-passed // self.step)

    def _offset(self, instant: datetime) -> timedelta | None:
        return instant.astimezone(self.zone).utcoffset()

    def is_ticked(self, instant: datetime) -> bool:
        """Whether the local weekday of an instant is ticked."""
        return not self.days or instant.astimezone(self.zone).weekday() in self.days

    def ticked_from(self, instant: datetime) -> datetime:
        """The instant, or where its weekday is not ticked, the next midnight at which a ticked day begins."""
        if self.is_ticked(instant):
            return instant
        day = instant.astimezone(self.zone).date()
        while day.weekday() not in self.days:
            day += DAY
        return max(instant + INSTANT, self._midnight(day))

    def _midnight(self, day: date) -> datetime:
        return wall_clock.in_utc(day, time(), self.zone)
