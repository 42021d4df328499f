"""Write numbers, dates and times of day as systemd.time(7) has them. Pure."""

from __future__ import annotations

import calendar
import functools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from linod_systemd.recurrence.dates import runs

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Lines:
    """Lines or expressions of a timer, and the instant (UTC) until which they hold; None: for ever."""

    texts: tuple[str, ...] = ()
    until: datetime | None = None


def numbers(values: Collection[int], names: Callable[[int], str] = "{:02d}".format) -> str:
    """Numbers in order, runs of two or more as a range: ``01..05,07``."""
    return ",".join(
        f"{names(run[0])}..{names(run[-1])}" if len(run) > 1 else names(run[0]) for run in runs(values)
    )


def parts(values: Collection[int], size: int) -> str:
    """Hours (of 24), minutes or seconds (of 60): ``*``, a repetition ``05/10``, or the numbers."""
    if len(values) == size:
        return "*"
    ordered = sorted(values)
    steps = {after - before for before, after in zip(ordered, ordered[1:], strict=False)}
    if len(ordered) > 2 and len(steps) == 1 and (step := steps.pop()) > 1:
        end = "" if ordered[-1] + step >= size else f"..{ordered[-1]:02d}"
        return f"{ordered[0]:02d}{end}/{step}"
    return numbers(values)


def weekdays(days: Collection[int]) -> str:
    """``Mon..Fri`` for 0 to 4; nothing for none or all."""
    return "" if len(days) in (0, 7) else numbers(days, WEEKDAYS.__getitem__)


@dataclass(frozen=True)
class DateExpression:
    """Dates for ever. What is empty or None stands for all; ``days`` count from the month's end (its last
    is 1) if ``from_end``; ``years`` are a first one and the step from it, ``last_year`` ends them."""

    weekdays: frozenset[int] = frozenset()
    years: tuple[int, int] | None = None
    months: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    from_end: bool = False
    last_year: int | None = None

    def matches(self, day: date) -> bool:
        number = day.day
        if self.from_end:
            number = (day.replace(day=28) + timedelta(days=4)).replace(day=1).toordinal() - day.toordinal()
        return (
            (not self.weekdays or day.weekday() in self.weekdays)
            and (not self.months or day.month in self.months)
            and (not self.days or number in self.days)
            and (self.years is None or self._is_year(day.year, *self.years))
            and (self.last_year is None or day.year <= self.last_year)
        )

    @staticmethod
    def _is_year(year: int, first: int, step: int) -> bool:
        return year >= first and (year - first) % step == 0

    def a_day_later(self) -> DateExpression | None:
        """The days after these dates, or None where this is not said so easily."""
        weekdays = frozenset((day + 1) % 7 for day in self.weekdays)
        if not self.days:
            return None if self.months or self.years else replace(self, weekdays=weekdays)
        days = frozenset(day - 1 if self.from_end else day + 1 for day in self.days)
        if min(days) < 1 or max(days) > 28:  # in another month, at least in some
            return None
        return replace(self, weekdays=weekdays, days=days)

    def within(self, first: int, last: int) -> DateExpression | None:
        """These dates in the years from ``first`` to ``last`` alone, or None: there are none."""
        begin, step = self.years or (first, 1)
        begin += max(0, -((begin - first) // step)) * step
        return replace(self, years=(begin, step), last_year=last) if begin <= last else None

    def __str__(self) -> str:
        months = numbers(self.months) if self.months else "*"
        days = numbers(self.days) if self.days else "*"
        dates = f"{self._years_text()}-{months}{'~' if self.from_end else '-'}{days}"
        return f"{weekdays(self.weekdays)} {dates}".strip()

    def _years_text(self) -> str:
        if self.years is None:
            return "*"
        first, step = self.years
        if self.last_year is None:
            return f"{first}/{step}"
        last = first + (self.last_year - first) // step * step
        if last == first:
            return str(first)
        return f"{first}..{last}" if step == 1 else f"{first}..{last}/{step}"


def listed(dates: Iterable[date]) -> list[str]:
    """These dates and no others, in few expressions: ``2026-11-24,26``, or ``2027,2029-03-01``."""
    by_month, by_year, by_day = defaultdict(list), defaultdict(list), defaultdict(list)
    for day in dates:
        by_month[day.year, day.month].append(day.day)
        by_year[day.month, day.day].append(day.year)
        by_day[day.year, day.day].append(day.month)
    return min(
        [f"{year}-{month:02d}-{numbers(days)}" for (year, month), days in by_month.items()],
        [f"{numbers(years)}-{month:02d}-{day:02d}" for (month, day), years in by_year.items()],
        [f"{year}-{numbers(months)}-{day:02d}" for (year, day), months in by_day.items()],
        _by_weekdays(by_month),
        key=len,
    )


def _by_weekdays(by_month: Mapping[tuple[int, int], Collection[int]]) -> list[str]:
    """Months in which the dates are all those on certain weekdays together: ``Mon..Fri 2027-01..03-*``."""
    months_on: dict[tuple[int, frozenset[int]], list[int]] = defaultdict(list)
    others = []
    for (year, month), days in by_month.items():
        first, length = calendar.monthrange(year, month)
        on = frozenset((first + day - 1) % 7 for day in days)
        if len(days) == sum((first + number) % 7 in on for number in range(length)):
            months_on[year, on].append(month)
        else:
            others.append(f"{year}-{month:02d}-{numbers(days)}")
    whole = [f"{weekdays(on)} {year}-{numbers(months)}-*" for (year, on), months in months_on.items()]
    return [*others, *(text.strip() for text in whole)]


@functools.lru_cache(maxsize=256)
def times_of_day(first: int, last: int, period: int) -> tuple[str, ...]:
    """The times from ``first`` to ``last`` (seconds since midnight), ``period`` seconds apart."""
    minutes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for second in range(first, last + 1, period):
        minutes[second // 3600, second // 60 % 60].append(second % 60)
    rows: dict[tuple[int, tuple[int, ...]], list[int]] = defaultdict(list)
    for (hour, minute), seconds in minutes.items():
        rows[hour, tuple(seconds)].append(minute)
    blocks: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = defaultdict(list)
    for (hour, row), found in rows.items():
        blocks[tuple(found), row].append(hour)
    return tuple(
        f"{parts(hours, 24)}:{parts(found, 60)}:{parts(row, 60)}" for (found, row), hours in blocks.items()
    )
