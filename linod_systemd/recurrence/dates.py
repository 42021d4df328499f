"""Count the dates of a recurrence, by python-dateutil (docs/recurrence.md). Pure: no clock, no zone."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from itertools import islice

from dateutil.easter import easter
from dateutil.relativedelta import relativedelta

LAST_YEAR = 9998  # of dates that are counted, so that none overflows
LAST_ELAPSE_YEAR = 2199  # systemd knows no later one
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
WEEKLY_UNITS = ("weekly", "per_weekday")


@dataclass(frozen=True)
class DateSeries:
    """The dates of every N-th day, week, month or year from a first one on.

    ``days`` are the ticked weekdays (Monday is 0, empty: none ticked); ``positions`` as in RFC 5545's
    BYSETPOS. The N-th days, weeks, months and years are the periods, numbered from that of ``start``, 0.
    """

    unit: str
    every: int
    start: date
    days: frozenset[int]
    positions: tuple[int, ...]

    def ascending(self, begin: date) -> Iterator[date]:
        """Its dates from ``begin`` on, each once, until the end of LAST_YEAR."""
        previous = max(begin, self.start) - DAY
        number = max(0, self._period_of(begin - WEEK))
        while (dates := self._dates(number)) is not None:
            for day in dates:
                if day > previous:
                    yield day
                    previous = day
            number += 1

    def descending(self, begin: date) -> Iterator[date]:
        """Its dates from ``begin`` back to the first, each once."""
        following = begin + DAY
        for number in range(self._period_of(begin) + 2, -1, -1):
            for day in reversed(self._dates(number) or ()):
                if self.start <= day < following:
                    yield day
                    following = day

    def nth(self, number: int) -> date | None:
        """The date of this number, the first being 1; None where there are fewer."""
        if self.unit in WEEKLY_UNITS:
            missed = sum(day < self.start.weekday() for day in self.weekly_days)
            return self._within_cycle(number - 1 + missed, len(self.weekly_days), 1)
        if self.unit == "daily" and self.days and self.every < 7:
            end = self.start + 7 * self.every * DAY  # after so many days all begins anew
            dates = sum(1 for _ in itertools.takewhile(lambda day: day < end, self.ascending(self.start)))
            return self._within_cycle(number - 1, dates, 7)
        if self.positions:
            return _nth(self, number)
        found = self._dates(number - 1)  # one in each period
        return found[0] if found else None

    def _within_cycle(self, index: int, size: int, periods: int) -> date | None:
        """The date of an index, of cycles of so many periods with ``size`` dates each."""
        if size == 0:
            return None
        dates: list[date] = []
        for number in range(index // size * periods, (index // size + 1) * periods + 1):
            dates += [day for day in self._dates(number) or [] if day not in dates]
        first = min(index % size, len(dates))
        return next(iter(dates[first:]), None)

    def moved(self, day: date) -> date:
        """The date itself or the first after it that is on a ticked weekday."""
        while self.days and day.weekday() not in self.days:
            day += DAY
        return day

    @cached_property
    def weekly_days(self) -> tuple[int, ...]:
        """For weeks: the weekdays on which it is due, Monday is 0."""
        if not self.positions:
            return tuple(sorted(self.days)) or (self.start.weekday(),)
        monday = self.start - self.start.weekday() * DAY
        return tuple(day.weekday() for day in self._at_positions(monday, monday + WEEK))

    def _period_of(self, day: date) -> int:
        """The number of a period before which none of this date is; it is at most two further on."""
        start = self.start
        match self.unit:
            case "daily":
                return (day - start).days // self.every
            case "weekly" | "per_weekday":
                return (day - start + start.weekday() * DAY).days // (7 * self.every)
            case "monthly":
                return ((day.year - start.year) * 12 + day.month - start.month) // self.every
            case "easter":  # what lies before Easter may lie in the year before
                return (day.year - start.year) // self.every - 1
            case _:
                return (day.year - start.year) // self.every

    def _dates(self, number: int) -> list[date] | None:
        """The dates of a period, in order; None beyond the calendar's end."""
        try:
            dates = self._unmoved(number * self.every)
        except (OverflowError, ValueError):
            return None
        if self.unit not in WEEKLY_UNITS and not self.positions:
            dates = [self.moved(day) for day in dates]
        return dates if not dates or dates[0].year <= LAST_YEAR else None

    def _unmoved(self, steps: int) -> list[date]:
        """The dates of the day, week, month or year that is so many after the first."""
        start = self.start
        match self.unit:
            case "daily":
                return [start + steps * DAY]
            case "weekly" | "per_weekday":
                monday = _within(start - start.weekday() * DAY + steps * WEEK)
                return [monday + day * DAY for day in self.weekly_days]
            case "monthly":
                day = _within(start + relativedelta(months=steps))
                first, length = day.replace(day=1), relativedelta(months=1)
            case "yearly":
                day = _within(start + relativedelta(years=steps))
                first, length = day.replace(month=1, day=1), relativedelta(years=1)
            case _:
                return [easter(start.year + steps) + (start - easter(start.year))]
        return self._at_positions(first, first + length) if self.positions else [day]

    def _at_positions(self, first: date, end: date) -> list[date]:
        """Of the ticked days from ``first`` to before ``end``, those at the positions.

        Not rrule(bysetpos=…), which goes on to the year 9999 where no such position exists.
        """
        offsets = _offsets(first.weekday(), (end - first).days, self.days, self.positions)
        return [first + offset * DAY for offset in offsets]


@functools.lru_cache(maxsize=1024)
def _offsets(weekday: int, length: int, days: frozenset[int], positions: tuple[int, ...]) -> list[int]:
    """Return the offsets of the chosen days among ``length`` days; the first is ``weekday`` (0: Monday)."""
    ticked = [number for number in range(length) if not days or (weekday + number) % 7 in days]
    places = {place - 1 if place > 0 else len(ticked) + place for place in positions}
    return [ticked[place] for place in sorted(places) if 0 <= place < len(ticked)]


def _within(day: date) -> date:
    if day.year > LAST_YEAR:
        raise OverflowError("beyond the last year")
    return day


@functools.lru_cache(maxsize=1024)
def _nth(series: DateSeries, number: int) -> date | None:
    within = itertools.takewhile(lambda day: day.year <= LAST_ELAPSE_YEAR, series.ascending(series.start))
    return next(islice(within, number - 1, None), None)


def runs(values: Collection[int]) -> list[list[int]]:
    """Numbers in order, those that follow each other together."""
    found: list[list[int]] = []
    for value in sorted(values):
        if found and value == found[-1][-1] + 1:
            found[-1].append(value)
        else:
            found.append([value])
    return found
