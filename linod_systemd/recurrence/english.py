"""Say numbers, dates, weekdays and spans of time in English words. Pure.

The names stand here, as strftime() gives those of the locale.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, time

from linod_systemd.recurrence.dates import runs
from linod_systemd.recurrence.recurrence_set import WEEKDAYS

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAYS = tuple(day.capitalize() for day in WEEKDAYS)
ORDINALS = (
    *("first", "second", "third", "fourth", "fifth", "sixth"),
    *("seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"),
)
SHORTEST_RANGE = 3


def ordinal(number: int) -> str:
    """``first`` to ``twelfth``, then ``13th``, ``21st``."""
    if number <= len(ORDINALS):
        return ORDINALS[number - 1]
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def position(number: int) -> str:
    """A place, a negative one from the end: ``third``, ``last``, ``second-to-last``."""
    if number > 0:
        return ordinal(number)
    return "last" if number == -1 else f"{ordinal(-number)}-to-last"


def every(number: int, unit: str) -> str:
    """``every day``, ``every second day``."""
    return f"every {unit}" if number == 1 else f"every {ordinal(number)} {unit}"


def listing(words: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def weekdays(days: Collection[int], last: str = "and") -> str:
    """Weekdays (Monday is 0), three and more in a row as a range: ``Monday–Wednesday and Friday``."""
    words: list[str] = []
    for run in runs(days):
        names = [DAYS[day] for day in run]
        words += [f"{names[0]}–{names[-1]}"] if len(names) >= SHORTEST_RANGE else names
    return listing(words, last)


def day_of_month(day: date) -> str:
    """``29 February``."""
    return f"{day.day} {MONTHS[day.month - 1]}"


def full_date(day: date) -> str:
    """``31 December 2027``."""
    return f"{day_of_month(day)} {day.year}"


def short_date(day: date) -> str:
    """``Sun 28 Mar``, of one width for dates in a column."""
    return f"{DAYS[day.weekday()][:3]} {day.day:2} {MONTHS[day.month - 1][:3]}"


def time_of_day(at: time) -> str:
    """``04:00``, with the seconds if there are any."""
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"


def span(seconds: int) -> str:
    """``10 seconds``, ``1 minute``, ``36 hours``: the largest unit that holds it without a rest."""
    sizes = ((3600, "hour"), (60, "minute"), (1, "second"))
    number, unit = next((seconds // size, unit) for size, unit in sizes if seconds % size == 0)
    return f"{number} {unit}{'' if number == 1 else 's'}"


def times(number: int) -> str:
    """``once``, ``twice``, ``12 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
