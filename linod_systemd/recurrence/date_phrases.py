"""Say the dates of a recurrence in English: ``on the first working day of every month``. Pure."""

from __future__ import annotations

import calendar
from collections.abc import Collection

from dateutil.easter import easter

from linod_systemd.recurrence import english
from linod_systemd.recurrence.dates import WEEKLY_UNITS, DateSeries

WORKING_DAYS = frozenset(range(5))
WEEK = frozenset(range(7))
COMMON_YEAR = 2027  # one without 29 February
# How many of each weekday the shortest month and the shortest year have, and how many days.
FEWEST = {"monthly": (4, 28), "yearly": (52, 365)}


def phrases(series: DateSeries) -> list[str]:
    """Which dates, and in further phrases what becomes of those that do not exist or are on another day."""
    if series.unit == "daily" and series.every == 1:
        return [_every_week(series.days or WEEK)]
    if series.unit in WEEKLY_UNITS:
        return [_weeks(series)]
    if series.positions:
        return _at_positions(series)
    return [*_unmoved(series), *_moved(series.days)]


def _every_week(days: Collection[int]) -> str:
    return "every day" if len(days) == len(WEEK) else f"every {english.weekdays(days)}"


def _weeks(series: DateSeries) -> str:
    days = series.weekly_days  # positions of a week are the same weekdays in each
    if series.every == 1:
        return _every_week(days)
    if len(days) == 1:
        return english.every(series.every, english.DAYS[days[0]])
    week = english.every(series.every, "week")
    return f"every day of {week}" if len(days) == len(WEEK) else f"{week} on {english.weekdays(days)}"


def _at_positions(series: DateSeries) -> list[str]:
    days = series.days or WEEK
    places = sorted(set(series.positions), key=lambda place: (place < 0, place))
    named = english.listing([f"the {english.position(place)}" for place in places])
    span = english.every(series.every, "month" if series.unit == "monthly" else "year")
    of_a_weekday, of_all = FEWEST[series.unit]
    fewest = of_all if days == WEEK else of_a_weekday * len(days)
    rest = ["where there is one"] if max(map(abs, places)) > fewest else []
    return [f"on {named} {_one_of(days)} of {span}", *rest]


def _one_of(days: Collection[int]) -> str:
    if days == WEEK:
        return "day"
    if days == WORKING_DAYS:
        return "working day"
    return english.listing([english.DAYS[day] for day in sorted(days)], "or")


def _unmoved(series: DateSeries) -> list[str]:
    start = series.start
    if series.unit == "daily":
        return [english.every(series.every, "day")]
    if series.unit == "monthly":
        months = {(start.month - 1 + number * series.every) % 12 + 1 for number in range(12)}
        is_shorter = any(calendar.monthrange(COMMON_YEAR, month)[1] < start.day for month in months)
        rest = ["or the last day where it is shorter"] if is_shorter else []
        return [f"on the {english.ordinal(start.day)} of {english.every(series.every, 'month')}", *rest]
    years = english.every(series.every, "year")
    if series.unit == "yearly":
        rest = ["the 28th in other years"] if (start.month, start.day) == (2, 29) else []
        return [f"{years} on {english.day_of_month(start)}", *rest]
    far = (start - easter(start.year)).days
    if far == 0:
        return [f"{years} on Easter Sunday"]
    number = f"{abs(far)} day{'' if abs(far) == 1 else 's'}"
    return [years, f"{number} {'after' if far > 0 else 'before'} Easter Sunday"]


def _moved(days: Collection[int]) -> list[str]:
    if len(days) in (0, len(WEEK)):
        return []
    return [f"moved to the next {english.weekdays(days, 'or')} if it is none"]
