"""Count the instants at which a rule is due: RecurrenceSet (docs/recurrence.md). Pure, without Django.

Instants are aware and in UTC; none lies beyond the year 9998, and none of a unit below a day beyond 2199.
"""

from __future__ import annotations

import itertools
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property

from linod_systemd.recurrence import fields, wall_clock
from linod_systemd.recurrence.dates import DAY, LAST_ELAPSE_YEAR, LAST_YEAR, DateSeries
from linod_systemd.recurrence.fields import (
    SECONDS_OF_A_DAY,
    UNITS,
    WEEKDAYS,
    RecurrenceError,
    RecurrenceFields,
)
from linod_systemd.recurrence.periods import INSTANT, Ticks

__all__ = ["SECONDS_OF_A_DAY", "UNITS", "WEEKDAYS", "RecurrenceError", "RecurrenceSet"]

SECONDS = {"secondly": 1, "minutely": 60, "hourly": 3600}
END_OF_TIME = datetime(LAST_YEAR, 12, 31, tzinfo=UTC)
LAST_ELAPSE = datetime(LAST_ELAPSE_YEAR, 12, 30, tzinfo=UTC)  # in every zone


@dataclass(frozen=True, kw_only=True)
class RecurrenceSet(RecurrenceFields):
    """When something is due.

    ``delay``, in seconds of elapsed time, moves every instant that is given out; start, end, weekdays and the
    rest judge what is not moved yet.

    :raises RecurrenceError: for what is impossible, and for what can never be due though it is no "never".
    """

    timezone: str = "UTC"
    delay: int = 0

    def __post_init__(self) -> None:
        fields.check(self)
        object.__setattr__(self, "weekdays", tuple(self.weekdays))  # a list would not be hashable
        if not fields.is_whole(self.delay, 0) or self.delay > SECONDS_OF_A_DAY:
            raise RecurrenceError("delay", f"{self.delay!r} is no whole number from 0 to {SECONDS_OF_A_DAY}")
        if self._end is not None and self._end < self._anchor:
            raise RecurrenceError("end_date", "lies before the start")
        if self.every_unit != "never" and self._is_never_due():
            raise RecurrenceError(self._obstacle(), "with this the rule is never due")

    def _obstacle(self) -> str:
        if self.end_date:
            return "end_date"
        if self.positions.strip():
            return "positions"
        return "weekdays" if self.weekdays else "start_date"

    def _is_never_due(self) -> bool:
        first = next(self._candidates(self._anchor - INSTANT), None)
        return first is None or first > min(self._end or LAST_ELAPSE, LAST_ELAPSE)

    # --- the fixed points -------------------------------------------------------------------

    @cached_property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.timezone)

    @cached_property
    def shift(self) -> timedelta:
        """The delay."""
        return timedelta(seconds=self.delay)

    @property
    def end_of_time(self) -> datetime:
        """Up to when instants are counted."""
        return END_OF_TIME if self.period is None else LAST_ELAPSE

    @property
    def anchor(self) -> datetime:
        """The first instant at which anything can be due (UTC): A, delayed."""
        return self._anchor + self.shift

    @cached_property
    def _anchor(self) -> datetime:
        return self._instant(self.start_date)

    @cached_property
    def period(self) -> int | None:
        """Seconds from one occurrence to the next for the units below a day, else None."""
        return self.every * SECONDS[self.every_unit] if self.every_unit in SECONDS else None

    @property
    def is_monotonic(self) -> bool:
        """Whether it is of less than a minute and divides no day: the timer counts from the previous start.

        The timer then knows of no weekday and no end: see :meth:`allows`.
        """
        return self.period is not None and self.period < 60 and not self.divides_the_day

    @property
    def divides_the_day(self) -> bool:
        """Whether it is due at the same times of each day (UTC), for a unit below a day."""
        return self.period is not None and SECONDS_OF_A_DAY % self.period == 0

    @cached_property
    def series(self) -> DateSeries:
        """The dates of the units from a day on."""
        days = frozenset(WEEKDAYS.index(day) for day in self.weekdays)
        positions = tuple(int(position) for position in self.positions.split())
        return DateSeries(self.every_unit, self.every, self.start_date, days, positions)

    @cached_property
    def ticks(self) -> Ticks:
        """The instants of the units below a day, not delayed and without regard to an end."""
        step = timedelta(seconds=self.period or SECONDS_OF_A_DAY)
        return Ticks(self._anchor, step, self.series.days, self.zone, self._ceiling)

    @cached_property
    def last(self) -> datetime | None:
        """The instant after which nothing is due, by ``end_date`` or ``max_events``; None without these."""
        return None if self._last is None else min(self._last, self._ceiling) + self.shift

    @cached_property
    def _last(self) -> datetime | None:
        ends = [end for end in (self._end, self._last_of_max_events()) if end is not None]
        return min(ends, default=None)

    @cached_property
    def _ceiling(self) -> datetime:
        return self.end_of_time - self.shift

    @cached_property
    def _end(self) -> datetime | None:
        return self._instant(self.end_date, self.end_time or time(23, 59, 59)) if self.end_date else None

    def _instant(self, day: date, at: time | None = None) -> datetime:
        try:
            return wall_clock.in_utc(day, at or self.start_time or time(), self.zone)
        except OverflowError:  # 9999-12-31 says: without an end
            return datetime.max.replace(tzinfo=UTC)

    # --- the questions ----------------------------------------------------------------------

    def occurrences(self, after: datetime | None = None) -> Iterator[datetime]:
        """The instants (UTC) at which it is due, strictly after ``after`` (from the first on, if None)."""
        floor = self.anchor - INSTANT
        for instant in self._candidates((max(after, floor) if after else floor) - self.shift):
            if self._last is not None and instant > self._last:
                return
            yield instant + self.shift

    def next_after(self, instant: datetime) -> datetime | None:
        """The first occurrence (UTC) after an instant, or None: never again."""
        return next(self.occurrences(instant), None)

    def elapses_after(self, instant: datetime) -> bool:
        """Whether it is due after an instant, and no later than systemd knows."""
        due = self.next_after(instant)
        return due is not None and due <= LAST_ELAPSE

    def last_before(self, instant: datetime) -> datetime | None:
        """The last occurrence (UTC) at or before an instant, or None: it was not due yet."""
        if instant < self.anchor:
            return None
        limits = (instant.astimezone(UTC) - self.shift, self._ceiling, self._last or self._ceiling)
        found = next(self._candidates_back(min(limits)), None)
        return None if found is None else found + self.shift

    def next_after_start(self, last_start: datetime | None, now: datetime) -> datetime | None:
        """For a monotonic rule: when it runs next (UTC), counted from its previous start; None: never again.

        :param last_start: None where it has never run: the first is at A, or at once if A is past.
        """
        if self.period is None:
            return self.next_after(now)
        due = max(self.anchor, now.astimezone(UTC))
        if last_start is not None and last_start >= self.anchor:
            wait = timedelta(seconds=self.period)
            due = max(due, last_start.astimezone(UTC) + min(wait, LAST_ELAPSE - last_start))
        due = self.ticks.ticked_from(due - self.shift) + self.shift
        return due if due <= min(LAST_ELAPSE, self.last or LAST_ELAPSE) else None

    def due_after(self, begin: datetime, last_start: datetime | None) -> Iterator[datetime]:
        """The instants (UTC) at which it is due, strictly after ``begin``.

        A monotonic rule counts on from its last start, and then from each of the instants given out.
        """
        if not self.is_monotonic:
            yield from self.occurrences(begin)
            return
        due = self.next_after_start(last_start, begin)
        while due is not None:
            yield due
            due = self.next_after_start(due, due + INSTANT)

    def allows(self, instant: datetime) -> bool:
        """Whether an instant is neither before A nor after the end, and its local weekday is ticked.

        What a monotonic timer cannot see, so that its service has to ask.
        """
        ends = self.last is not None and instant > self.last
        return self.anchor <= instant and not ends and self.ticks.is_ticked(instant - self.shift)

    # --- how they are counted, not delayed ----------------------------------------------------

    def _candidates(self, floor: datetime) -> Iterator[datetime]:
        """The instants after ``floor``, which is A or later, or just before A; without regard to an end."""
        if self.every_unit == "never":
            return
        if self.every_unit == "once":
            source = iter([self._anchor])
        elif self.period is not None:
            source = self.ticks.ascending(floor)
        else:
            begin = floor.astimezone(self.zone).date() - DAY
            source = (self._instant(day) for day in self.series.ascending(begin))
        previous = floor
        for instant in itertools.takewhile(lambda found: found <= self._ceiling, source):
            if instant > previous:  # two dates can be one instant: Apia has no 2011-12-30
                yield instant
                previous = instant

    def _candidates_back(self, ceiling: datetime) -> Iterator[datetime]:
        """The instants at or before ``ceiling``, backwards."""
        if self.every_unit == "never" or ceiling < self._anchor:
            return
        if self.every_unit == "once":
            yield self._anchor
        elif self.period is not None:
            yield from self.ticks.descending(ceiling)
        else:
            for day in self.series.descending(ceiling.astimezone(self.zone).date() + DAY):
                if self._anchor <= (instant := self._instant(day)) <= ceiling:
                    yield instant

    def _last_of_max_events(self) -> datetime | None:
        """The instant of the last of ``max_events``; None where there is no limit or it is not reached."""
        if self.max_events is None or self.every_unit in ("never", "once"):
            return None
        if self.period is not None:
            return self.ticks.nth(self.max_events)
        day = self.series.nth(self.max_events)
        if day is None:
            return None
        last = self._instant(day)
        shift = (self._offset(last) or timedelta()) - (self._offset(self._anchor) or timedelta())
        if shift < timedelta(hours=20):
            return last
        # A date was left out, and two of the dates are one instant: count these.
        counted = self._candidates(self._anchor - INSTANT)
        return next(itertools.islice(counted, self.max_events - 1, None), None)

    def _offset(self, instant: datetime) -> timedelta | None:
        return instant.astimezone(self.zone).utcoffset()
