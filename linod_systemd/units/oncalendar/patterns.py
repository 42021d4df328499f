"""Write the dates that systemd's language can say for ever (systemd.time(7)). Pure.

What it cannot say, such as every second week, is None: it has to be listed. Neither the start nor an
end is regarded here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta

from linod_systemd.recurrence.dates import WEEKLY_UNITS, DateSeries, runs
from linod_systemd.units.oncalendar.expressions import DateExpression

FIRST_ELAPSE_YEAR = 1970  # systemd knows no earlier one
LONGEST_CYCLE = 12  # years after which the months repeat, each year an expression
LAST_FROM_END = 28  # systemd counts no further back from a month's end
SHORTEST = {2: 28} | dict.fromkeys((4, 6, 9, 11), 30) | dict.fromkeys((1, 3, 5, 7, 8, 10, 12), 31)
BEFORE_LEAP_DAY = 59  # days of a year that have the same date in every year
AFTER_LEAP_DAY = 306

Years = tuple[int, int] | None  # the first and the step, or every year
Months = frozenset[int]
Days = frozenset[int]


def expressions(series: DateSeries) -> list[DateExpression] | None:
    """The dates of a series as expressions, or None where there are no words for them."""
    if series.unit == "daily" and series.every in (1, 7):
        on = series.days if series.every == 1 else {series.moved(series.start).weekday()}
        return [DateExpression(_all_or(frozenset(on)))]
    if series.unit in WEEKLY_UNITS:
        return [DateExpression(_all_or(frozenset(series.weekly_days)))] if series.every == 1 else None
    if series.unit == "yearly" and series.positions:
        return _places_in_year(series)
    if series.unit in ("monthly", "yearly"):
        cycle = _cycle(series)
        return None if cycle is None else _all(_in_months(series, years, months) for years, months in cycle)
    return None


def _all_or(days: Days) -> Days:
    return frozenset() if len(days) == 7 else days


def _all(several: Iterable[list[DateExpression] | None]) -> list[DateExpression] | None:
    found: list[DateExpression] = []
    for one in several:
        if one is None:
            return None
        found += one
    return found


def _cycle(series: DateSeries) -> list[tuple[Years, Months]] | None:
    """Which months of which years."""
    every = series.every * (12 if series.unit == "yearly" else 1)
    length = math.lcm(every, 12)
    step = length // 12
    if length // every > LONGEST_CYCLE or step > 100:
        return None
    months_of: dict[int, set[int]] = defaultdict(set)
    for month in range(series.start.month - 1, series.start.month - 1 + length, every):
        months_of[series.start.year + month // 12].add(month % 12 + 1)
    if step == 1:  # the months before the start's come a year later
        return [(None, frozenset().union(*months_of.values()))]
    return [((_known(year, step), step), frozenset(months)) for year, months in months_of.items()]


def _known(year: int, step: int) -> int:
    """The first year from this one on, in such steps, that systemd knows."""
    return year + max(0, -((year - FIRST_ELAPSE_YEAR) // step)) * step


def _in_months(series: DateSeries, years: Years, months: Months) -> list[DateExpression] | None:
    named = frozenset() if len(months) == 12 else months
    days = _all_or(series.days)
    if series.positions:
        wanted = _places(days, series.positions, 31)
        if any(from_end and max(numbers) > LAST_FROM_END for _, numbers, from_end in wanted):
            return None
        return [
            DateExpression(on, years, named, frozenset(part), from_end)
            for on, numbers, from_end in wanted
            for part in (runs(numbers) if from_end else [numbers])  # docs/systemd-facts.md, 38
        ]
    if days:
        return _moved(days, series.start.day, years, months, named)
    return _on_day(series.start.day, years, months, named)


def _on_day(day: int, years: Years, months: Months, named: Months) -> list[DateExpression]:
    """A day of the month, or the month's last where it is shorter."""
    if day == 31:
        return [DateExpression(frozenset(), years, named, frozenset({1}), from_end=True)]
    long = frozenset(month for month in months if SHORTEST[month] >= day)
    found = []
    if long:
        found.append(DateExpression(frozenset(), years, named if long == months else long, frozenset({day})))
    if long != months:
        found.append(DateExpression(frozenset(), years, months - long, frozenset({1}), from_end=True))
    return found


def _moved(days: Days, day: int, years: Years, months: Months, named: Months) -> list[DateExpression] | None:
    """A day of the month moved forward to a ticked weekday: the 1st to 3rd, if that is a Monday."""
    found: dict[Days, set[int]] = defaultdict(set)
    for weekday in days:
        gap = next(back for back in range(1, 8) if (weekday - back) % 7 in days)
        found[frozenset(range(day, day + gap))].add(weekday)
    if max(max(reach) for reach in found) > min(SHORTEST[month] for month in months):
        return None
    return [DateExpression(frozenset(on), years, named, reach) for reach, on in found.items()]


def _places(days: Days, positions: Iterable[int], length: int) -> list[tuple[Days, Days, bool]]:
    """Positions among the ticked days of a month or year of at most so many days: (weekdays, the numbers of
    the days on which one of them is at a position, whether these count from the end)."""
    found: dict[tuple[int, bool], set[int]] = defaultdict(set)
    for place in positions:
        for weekday in days:
            numbers = _numbers_at(days, place, weekday, length)
            if numbers:
                found[weekday, place < 0].update(numbers)
        if not days:
            found[-1, place < 0].add(abs(place))
    merged: dict[tuple[Days, bool], set[int]] = defaultdict(set)
    for (weekday, from_end), numbers in found.items():
        merged[frozenset(numbers), from_end].add(weekday)
    return [(frozenset(on) & days, numbers, from_end) for (numbers, from_end), on in merged.items()]


def _numbers_at(days: Days, place: int, weekday: int, length: int) -> set[int]:
    """The days that are at a position if they are on this weekday.

    How many ticked days lie before a day (or after it, from the end) follows from its number and weekday.
    """
    sign = 1 if place > 0 else -1
    in_rest = [sum((weekday - sign * back) % 7 in days for back in range(rest)) for rest in range(7)]
    ticked = {number: number // 7 * len(days) + in_rest[number % 7] for number in range(1, length + 1)}
    return {number for number, count in ticked.items() if count == abs(place)}


def _places_in_year(series: DateSeries) -> list[DateExpression] | None:
    """Positions of a year, where the leap day does not shift them."""
    if series.every > 100:
        return None
    every = series.every
    years = (_known(series.start.year, every), every) if every > 1 else None
    found: list[DateExpression] = []
    for on, numbers, from_end in _places(_all_or(series.days), series.positions, 366):
        if max(numbers) > (AFTER_LEAP_DAY if from_end else BEFORE_LEAP_DAY):
            return None
        days_of: dict[int, set[int]] = defaultdict(set)
        for number in numbers:
            before = timedelta(number - 1)
            day = date(2027, 12, 31) - before if from_end else date(2027, 1, 1) + before
            days_of[day.month].add(day.day)
        found += [
            DateExpression(on, years, frozenset({month}), frozenset(days)) for month, days in days_of.items()
        ]
    return found
