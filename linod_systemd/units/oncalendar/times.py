"""Make the OnCalendar= expressions of a recurrence whose unit is below a day. Pure.

Where the period divides the day they hold for ever, else they are listed, an hour to a line at the most.
They are in UTC, since in local time systemd loses the hour that is repeated in autumn; where weekdays are
ticked and the zone keeps its offset, in that zone.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from linod_systemd.recurrence import wall_clock
from linod_systemd.recurrence.recurrence_set import SECONDS_OF_A_DAY, WEEKDAYS, RecurrenceSet
from linod_systemd.units.oncalendar.expressions import Lines, listed, numbers, times_of_day, weekdays

MAX_LINES = 800
MOST_LINES = 1500
DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Stretch:
    """Occurrences of one day, evenly apart: seconds since midnight of the first and the last."""

    day: date
    first: int
    last: int


def expressions(recurrence: RecurrenceSet, now: datetime, days: int, count: int) -> Lines:
    """The expressions that elapse at the occurrences after ``now`` (UTC): see oncalendar.timer_lines."""
    if recurrence.last is not None and recurrence.last <= now + 2 * days * DAY:
        days = max(days, (recurrence.last - now) // DAY + 1)
    until = now + days * DAY
    keeps_offset = bool(recurrence.weekdays) and not wall_clock.transitions(
        recurrence.zone, now - recurrence.shift - DAY, until
    )
    zone = recurrence.zone if keeps_offset else ZoneInfo("UTC")
    is_long = recurrence.last is None or recurrence.last > until
    if (
        recurrence.divides_the_day
        and is_long
        and (keeps_offset or not recurrence.weekdays)
        and _has_begun(recurrence, now)
    ):
        return _forever(recurrence, zone, now)
    return _list(recurrence, zone, now, days, count)


def _has_begun(recurrence: RecurrenceSet, now: datetime) -> bool:
    """Whether it would be due at the same times after ``now``, had it begun long ago."""
    ticks, seen = recurrence.ticks, now - recurrence.shift
    steps = max(0, -((seen - ticks.anchor) // ticks.step))
    longer = dataclasses.replace(ticks, anchor=ticks.anchor - steps * ticks.step)
    first = next(longer.ascending(seen), None)
    return first is not None and first + recurrence.shift == recurrence.next_after(now)


# --- said for ever --------------------------------------------------------------------------


def _forever(recurrence: RecurrenceSet, zone: ZoneInfo, now: datetime) -> Lines:
    """Times of every ticked day; of a recurrence that ends, until the day before its last."""
    texts = []
    for days, times in _whole_days(recurrence, zone, now):
        for dates in _dates_until(recurrence.last, zone, now):
            texts += [f"{weekdays(days)} {dates} {at} {zone.key}".strip() for at in times]
    if recurrence.last is not None:
        final = recurrence.last.astimezone(zone).date()
        texts += _texts(recurrence, zone, _stretches(recurrence, zone, final, 0))
    return Lines(tuple(texts))


def _dates_until(last: datetime | None, zone: ZoneInfo, now: datetime) -> list[str]:
    """All dates, or those before the day of ``last``, which is in a later year."""
    if last is None:
        return ["*-*-*"]
    final, year = last.astimezone(zone).date(), now.astimezone(zone).year
    years = str(year) if year == final.year - 1 else f"{year}..{final.year - 1}"
    found = [f"{years}-*-*"]
    if final.month > 1:
        found.append(f"{final.year}-{numbers(range(1, final.month))}-*")
    if final.day > 1:
        found.append(f"{final.year}-{final.month:02d}-{numbers(range(1, final.day))}")
    return found


def _whole_days(
    recurrence: RecurrenceSet, zone: ZoneInfo, now: datetime
) -> list[tuple[frozenset[int], tuple[str, ...]]]:
    """Weekdays (none: all) and the times on them; what a delay carries over midnight is on the day after."""
    period = recurrence.period or SECONDS_OF_A_DAY
    first = _seconds(recurrence.anchor - _midnight(now.astimezone(zone).date(), zone)) % period
    days = recurrence.series.days
    if not days or len(days) == len(WEEKDAYS):
        return [(frozenset(), times_of_day(first, SECONDS_OF_A_DAY - 1, period))]
    kept = first + max(0, -((first - recurrence.delay) // period)) * period
    found = []
    if kept < SECONDS_OF_A_DAY:
        found.append((days, times_of_day(kept, SECONDS_OF_A_DAY - 1, period)))
    if first < recurrence.delay and first < SECONDS_OF_A_DAY:
        carried = min(recurrence.delay, SECONDS_OF_A_DAY) - 1
        found.append((frozenset((day + 1) % 7 for day in days), times_of_day(first, carried, period)))
    return found


# --- listed ---------------------------------------------------------------------------------


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return wall_clock.in_utc(day, time(), zone)


def _stretches(recurrence: RecurrenceSet, zone: ZoneInfo, begin: date, days: int) -> list[Stretch]:
    """The occurrences from the day ``begin`` on, so many days further, day by day."""
    start, end = _midnight(begin, zone), _midnight(begin + (days + 1) * DAY, zone)
    period = timedelta(seconds=recurrence.period or SECONDS_OF_A_DAY)
    found = []
    for first, last in _runs(recurrence, zone, begin - DAY, days + 1):
        first += max(0, -((first - start) // period)) * period
        while first <= last and first < end:
            day = first.astimezone(zone).date()
            midnight, tomorrow = _midnight(day, zone), _midnight(day + DAY, zone)
            final = min(last, first + (tomorrow - INSTANT - first) // period * period)
            found.append(Stretch(day, _seconds(first - midnight), _seconds(final - midnight)))
            first = final + period
    return found


def _runs(
    recurrence: RecurrenceSet, zone: ZoneInfo, begin: date, days: int
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the first and the last of each run of occurrences that are evenly apart.

    ``zone`` has one offset, such as UTC: the occurrences of one of its days are evenly apart. Example: every
    7 minutes from 2026-11-24 00:00 UTC; of that day the first is 00:00 and the last 23:55.
    """
    period = timedelta(seconds=recurrence.period or SECONDS_OF_A_DAY)
    run: tuple[datetime, datetime] | None = None
    for day in (begin + number * DAY for number in range(days + 1)):
        end = _midnight(day + DAY, zone) + recurrence.shift
        first = recurrence.next_after(_midnight(day, zone) + recurrence.shift - INSTANT)
        if first is None:
            break
        last = recurrence.last_before(end - INSTANT)
        if first >= end or last is None:
            continue
        if run is not None and first - run[1] == period:
            first = run[0]
        elif run is not None:
            yield run
        run = first, last
    if run is not None:
        yield run


def _seconds(span: timedelta) -> int:
    return span // timedelta(seconds=1)


def _times(recurrence: RecurrenceSet, stretch: Stretch) -> tuple[str, ...]:
    return times_of_day(stretch.first, stretch.last, recurrence.period or SECONDS_OF_A_DAY)


def _list(recurrence: RecurrenceSet, zone: ZoneInfo, now: datetime, days: int, count: int) -> Lines:
    first = recurrence.next_after(now) or now
    stretches = _stretches(recurrence, zone, first.astimezone(zone).date(), days)
    texts = _texts(recurrence, zone, stretches)
    # The first day may be over but for an instant.
    while len(texts) > MAX_LINES and _number(recurrence, stretches[1 : len(stretches) // 2]) >= count:
        stretches = stretches[: len(stretches) // 2]
        texts = _texts(recurrence, zone, stretches)
    end = _midnight(stretches[-1].day + DAY, zone) - INSTANT
    if len(texts) > MOST_LINES:  # where each minute has seconds of its own, it is an instant to a line
        stretches, end = _first(recurrence, zone, stretches, now)
        texts = _texts(recurrence, zone, stretches)
    return Lines(tuple(texts), None if recurrence.next_after(end) is None else end)


def _first(
    recurrence: RecurrenceSet, zone: ZoneInfo, stretches: Iterable[Stretch], now: datetime
) -> tuple[list[Stretch], datetime]:
    """So many of the occurrences after ``now`` as there may be lines, and until when these hold."""
    period, left, found = recurrence.period or SECONDS_OF_A_DAY, MOST_LINES, []
    for stretch in stretches:
        passed = _seconds(now - _midnight(stretch.day, zone)) - stretch.first
        first = stretch.first + max(0, -(-passed // period)) * period
        number = min(left, (stretch.last - first) // period + 1)
        if number > 0:
            found.append(Stretch(stretch.day, first, first + (number - 1) * period))
            left -= number
    last = _midnight(found[-1].day, zone) + timedelta(seconds=found[-1].last)
    return found, last + timedelta(seconds=period) - INSTANT


def _number(recurrence: RecurrenceSet, stretches: Iterable[Stretch]) -> int:
    period = recurrence.period or SECONDS_OF_A_DAY
    return sum((stretch.last - stretch.first) // period + 1 for stretch in stretches)


def _texts(recurrence: RecurrenceSet, zone: ZoneInfo, stretches: Iterable[Stretch]) -> list[str]:
    """Write the expressions: days with equal times of day share them."""
    days_of: dict[tuple[str, ...], list[date]] = defaultdict(list)
    for stretch in stretches:
        days_of[_times(recurrence, stretch)].append(stretch.day)
    groups = [(times, listed(days)) for times, days in days_of.items()]
    return [f"{dates} {at} {zone.key}" for times, days in groups for dates in days for at in times]
