"""docs/recurrence.md once more, day by day and plainly, to judge RecurrenceSet by; and rules to judge.

Nothing is shared with it: no date arithmetic, no Easter, no rule for times that do not exist.
"""

from __future__ import annotations

import calendar
import functools
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

Fields = dict[str, Any]
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
LAST = datetime(2198, 1, 1, tzinfo=UTC)
NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
PERIODS = {"secondly": 1, "minutely": 60, "hourly": 3600}
ZONES = (
    *("Europe/Brussels", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"),
    *("Africa/Casablanca", "Pacific/Apia", "UTC", "Africa/Cairo", "America/Havana", "America/Santiago"),
)
RULES, MANY_RULES = 300, int(os.environ.get("LINOD_RULES", "20000"))


def series(rule: Fields, begin: datetime, end: datetime, most: int) -> tuple[list[datetime], bool]:
    """The first ``most`` instants after ``begin`` and up to ``end`` at which a rule is due; whether these
    are all there will ever be."""
    limit = rule.get("max_events")
    delay = rule.get("delay", 0) * SECOND
    found: list[datetime] = []
    for counted, instant in enumerate(_instants(rule, None if limit else begin - delay), 1):
        if limit and counted > limit:
            return found, True
        if instant + delay > end or len(found) == most:
            return found, False
        if instant + delay > begin:
            found.append(instant + delay)
    return found, True


def anchor(rule: Fields) -> datetime:
    return _on_the_wall(rule["start_date"], _at(rule), ZoneInfo(rule["timezone"]))


def _at(rule: Fields) -> time:
    return rule.get("start_time") or time(0, 0, 0)


def _instants(rule: Fields, begin: datetime | None) -> Iterator[datetime]:
    """Everything that is due, without regard to max_events; may leave out what lies before ``begin``."""
    last = LAST
    if rule.get("end_date"):
        end_time = rule.get("end_time") or time(23, 59, 59)
        last = _on_the_wall(rule["end_date"], end_time, ZoneInfo(rule["timezone"]))
    previous = anchor(rule) - DAY
    for instant in _ticks(rule, begin) if rule["every_unit"] in PERIODS else _days(rule, begin, last):
        if instant > last:
            return
        if instant >= anchor(rule) and instant != previous:
            yield instant
        previous = instant


def _ticks(rule: Fields, begin: datetime | None) -> Iterator[datetime]:
    period = PERIODS[rule["every_unit"]] * rule["every"]
    zone = ZoneInfo(rule["timezone"])
    seconds = int(anchor(rule).timestamp())
    if begin is not None and begin > anchor(rule):
        seconds += int(begin.timestamp() - seconds) // period * period
    for second in range(seconds, 7_000_000_000, period):
        instant = datetime.fromtimestamp(second, UTC)
        if not rule["weekdays"] or NAMES[instant.astimezone(zone).weekday()] in rule["weekdays"]:
            yield instant


def _days(rule: Fields, begin: datetime | None, last: datetime) -> Iterator[datetime]:
    day, at, zone = rule["start_date"], _at(rule), ZoneInfo(rule["timezone"])
    final = day if rule["every_unit"] == "once" else last.date() + 2 * DAY
    if begin is not None:
        day = max(day, begin.date() - 3 * DAY)
    while day <= final:
        if is_due_on(rule, day):
            yield _on_the_wall(day, at, zone)
        day += DAY


def _on_the_wall(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Tries the offsets of the days around; the first instant at which the clock shows it, if one does."""
    shown = datetime.combine(day, at)
    near = shown.replace(tzinfo=UTC)
    offsets = [(near + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in (-26, 26)]
    instants = [near - (offset or timedelta()) for offset in offsets]
    showing = [instant for instant in instants if instant.astimezone(zone).replace(tzinfo=None) == shown]
    return min(showing) if showing else instants[0]


def is_due_on(rule: Fields, day: date) -> bool:
    unit, start, ticked = rule["every_unit"], rule["start_date"], rule["weekdays"] or NAMES
    if unit == "once":
        return bool(day == start)
    if unit in ("weekly", "per_weekday"):
        monday, first_monday = day - day.weekday() * DAY, start - start.weekday() * DAY
        if (monday - first_monday).days // 7 % rule["every"] != 0:
            return False
        if rule["positions"]:
            return day in _at_positions(unit, monday, tuple(rule["weekdays"]), rule["positions"])
        return NAMES[day.weekday()] in (rule["weekdays"] or [NAMES[start.weekday()]])
    if rule["positions"]:
        first = day.replace(day=1) if unit == "monthly" else day.replace(month=1, day=1)
        return _is_base(rule, day, whole=True) and day in _at_positions(
            unit, first, tuple(rule["weekdays"]), rule["positions"]
        )
    if NAMES[day.weekday()] not in ticked:
        return False
    while not _is_base(rule, day, whole=False):  # was it moved here from a day before?
        day -= DAY
        if NAMES[day.weekday()] in ticked or day < start:
            return False
    return bool(day >= start)


@functools.lru_cache(maxsize=4096)
def _at_positions(unit: str, first: date, weekdays: tuple[str, ...], positions: str) -> set[date]:
    """The days of the week, month or year that begins with ``first`` that are at the positions."""
    if unit == "weekly":
        days = [first + number * DAY for number in range(7)]
    else:
        days = [
            date(first.year, month, number)
            for month in ([first.month] if unit == "monthly" else range(1, 13))
            for number in range(1, calendar.monthrange(first.year, month)[1] + 1)
        ]
    those = [one for one in days if NAMES[one.weekday()] in (weekdays or NAMES)]
    wanted = {int(word) for word in positions.split()}
    return {one for index, one in enumerate(those) if {index + 1, index - len(those)} & wanted}


def _is_base(rule: Fields, day: date, *, whole: bool) -> bool:
    """Whether the rule names this date, before weekdays move it; ``whole``: any day of its month or year."""
    start, every = rule["start_date"], rule["every"]
    match rule["every_unit"]:
        case "daily":
            return bool((day - start).days % every == 0)
        case "monthly":
            shortest = min(start.day, calendar.monthrange(day.year, day.month)[1])
            months = (day.year - start.year) * 12 + day.month - start.month
            return bool(months % every == 0 and (whole or day.day == shortest))
        case "yearly":
            date_of_start = (start.month, start.day)
            if date_of_start == (2, 29) and not calendar.isleap(day.year):
                date_of_start = (2, 28)
            in_year = (day.year - start.year) % every == 0
            return bool(in_year) and (whole or (day.month, day.day) == date_of_start)
        case "easter":
            far = start - easter_sunday(start.year)
            years = (day.year - 1, day.year, day.year + 1)
            return any(day - easter_sunday(year) == far for year in years if (year - start.year) % every == 0)
    raise AssertionError(rule["every_unit"])


@functools.cache
def easter_sunday(year: int) -> date:
    """The Gregorian computus as it stands in the missal: golden number, century, epact."""
    golden, century = year % 19 + 1, year // 100 + 1
    dropped = 3 * century // 4 - 12
    correction = (8 * century + 5) // 25 - 5
    sunday = 5 * year // 4 - dropped - 10
    epact = (11 * golden + 20 + correction - dropped) % 30
    if epact == 24 or (epact == 25 and golden > 11):
        epact += 1
    full = 44 - epact
    full += 30 if full < 21 else 0
    full += 7 - (sunday + full) % 7
    return date(year, 3, 1) + (full - 1) * DAY


# --- rules to judge -------------------------------------------------------------------------

UNITS = (
    "daily",
    "weekly",
    "per_weekday",
    "monthly",
    "yearly",
    "easter",
    "secondly",
    "minutely",
    "hourly",
    "once",
)
STEPS = {
    "secondly": (1, 7, 10, 27, 45, 100, 128, 300, 3600, 5400, 43200, 86400, 100_000),
    "minutely": (1, 5, 7, 15, 45, 61, 90, 144, 720, 1440),
    "hourly": (1, 2, 3, 5, 8, 12, 24, 36, 168),
    "daily": (1, 1, 1, 2, 3, 5, 7, 14, 30, 365),
    "monthly": (1, 1, 1, 2, 3, 5, 6, 12, 18, 24),
    "yearly": (1, 1, 2, 3, 4),
    "easter": (1, 1, 2, 5),
}
FURTHEST = {"weekly": 7, "monthly": 31, "yearly": 366}
times = st.one_of(
    st.none(),
    st.sampled_from(
        [time(0, 30), time(1, 45), time(2), time(2, 15), time(2, 30), time(3), time(4), time(23, 30)]
    ),
    st.times().map(lambda moment: moment.replace(microsecond=0)),
)
delays = st.one_of(st.sampled_from([1, 60, 600, 1800, 3600, 7200, 43200, 86400]), st.integers(0, 86400))
starts = st.one_of(
    st.dates(date(1970, 1, 1), date(2100, 12, 31)),
    st.dates(date(2024, 1, 1), date(2028, 12, 31)),
    st.builds(date, st.integers(2020, 2030), st.sampled_from([1, 3, 5, 8, 12]), st.integers(28, 31)),
    st.sampled_from(
        [date(2024, 2, 29), date(2027, 3, 28), date(2027, 10, 31), date(2027, 4, 29), date(2011, 12, 20)]
    ),
)


@st.composite
def rules(draw: st.DrawFn) -> Fields:
    unit = draw(st.sampled_from(UNITS))
    rule: Fields = {
        "every_unit": unit,
        "every": draw(st.sampled_from(STEPS.get(unit, (1, 1, 2, 3)))),
        "start_date": draw(starts),
        "start_time": draw(times),
        "timezone": draw(st.sampled_from(ZONES)),
        "weekdays": draw(st.one_of(st.just(()), st.sets(st.sampled_from(NAMES)).map(tuple))),
        "positions": "",
    }
    if unit in FURTHEST and draw(st.booleans()):
        furthest = FURTHEST[unit]
        near = st.integers(-6, 6)
        place = st.one_of(near, near, st.integers(-furthest, furthest)).filter(bool)
        rule["positions"] = " ".join(str(one) for one in draw(st.lists(place, min_size=1, max_size=3)))
    if draw(st.integers(0, 3)) == 0:
        rule["end_date"] = rule["start_date"] + draw(st.integers(1, 900)) * DAY
        rule["end_time"] = draw(times)
    if draw(st.integers(0, 3)) == 0:
        rule["max_events"] = draw(st.integers(1, 250))
    if draw(st.integers(0, 2)) == 0:
        rule["delay"] = draw(delays)
    return rule


def period(rule: Fields) -> int | None:
    """Seconds, for the units below a day."""
    return PERIODS[rule["every_unit"]] * rule["every"] if rule["every_unit"] in PERIODS else None


@st.composite
def moments(draw: st.DrawFn, rule: Fields) -> datetime:
    """An instant near or far from the rule's start; near enough to be counted where it has to be."""
    seconds = period(rule)
    if seconds is not None and rule.get("max_events"):
        reach = seconds * 300
    elif rule.get("max_events"):
        reach = 3 * 366 * 86400
    else:
        reach = 40 * 366 * 86400 if draw(st.booleans()) else 400 * 86400
    after = draw(st.integers(-3 * 86400 if draw(st.booleans()) else -min(reach, 500 * 86400), reach))
    return anchor(rule) + timedelta(seconds=after)


Case = tuple[Fields, datetime]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A rule and the instant from which it is seen; systemd knows none before 1970."""
    rule = draw(rules())
    return rule, max(draw(moments(rule)), datetime(1971, 1, 1, tzinfo=UTC))
