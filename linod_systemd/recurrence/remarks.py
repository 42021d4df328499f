"""Remark on an instant of a rule: shifted by a jump of the clock, moved to another weekday. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from linod_systemd.recurrence import english, wall_clock
from linod_systemd.recurrence.dates import DAY, WEEKLY_UNITS
from linod_systemd.recurrence.recurrence_set import RecurrenceSet

AROUND = timedelta(hours=26)  # of a jump; no zone jumps further than a day


def peculiarities(recurrence: RecurrenceSet, instant: datetime) -> list[str]:
    """Short texts for people about one occurrence; none where it is as any other.

    :param instant: aware, when the rule is due.
    """
    local = (instant - recurrence.shift).astimezone(recurrence.zone)
    found: list[str] = []
    if recurrence.period is None:
        named = _named_date(recurrence, local)
        found += [
            *_shorter(recurrence, named),
            *_moved(recurrence, named),
            *_shifted(recurrence, local, named),
        ]
    found += _repeated(local)
    if recurrence.delay:
        found.append(f"{english.span(recurrence.delay)} late by its jitter")
    return [*found, *_last(recurrence, instant)]


def _named_date(recurrence: RecurrenceSet, local: datetime) -> date:
    """Return the date of the rule to which an instant belongs: the local date, or one beside it at a jump."""
    if recurrence.every_unit == "once":
        return recurrence.start_date
    at = recurrence.start_time or time()
    for day in (local.date(), local.date() - DAY, local.date() + DAY):
        is_its = next(recurrence.series.ascending(day), None) == day
        if is_its and wall_clock.in_utc(day, at, recurrence.zone) == local:
            return day
    return local.date()


def _unmoved(recurrence: RecurrenceSet, day: date) -> date:
    """The date that the rule names, before weekdays move it to this day."""
    series = recurrence.series
    if recurrence.every_unit == "once" or series.unit in WEEKLY_UNITS or series.positions:
        return day
    return next(dataclasses.replace(series, days=frozenset()).descending(day), day)


def _shorter(recurrence: RecurrenceSet, day: date) -> Iterator[str]:
    wanted, found = recurrence.start_date, _unmoved(recurrence, day)
    if found.day < wanted.day and not recurrence.positions.strip():
        if recurrence.every_unit == "monthly":
            yield "last day of a shorter month"
        elif recurrence.every_unit == "yearly":
            yield f"no {english.day_of_month(wanted)} in {found.year}"


def _moved(recurrence: RecurrenceSet, day: date) -> Iterator[str]:
    origin = _unmoved(recurrence, day)
    if origin != day:
        is_near = origin.month == day.month
        names = [
            f"{english.DAYS[one.weekday()]} {one.day if is_near else english.day_of_month(one)}"
            for one in (origin, day)
        ]
        yield f"moved from {names[0]} to {names[1]}"


def _shifted(recurrence: RecurrenceSet, local: datetime, named: date) -> Iterator[str]:
    """Where the time of day, or the whole day, does not exist."""
    at = recurrence.start_time or time()
    if named != local.date() and at == local.time():
        yield f"shifted: the clock leaves out {english.day_of_month(named)}"
    elif at != local.time():
        yield f"shifted by {_jump(local)}: {english.time_of_day(at)} does not exist"


def _repeated(local: datetime) -> Iterator[str]:
    """Where the clock shows the time twice."""
    other = local.replace(fold=1 - local.fold)
    if other.utcoffset() != local.utcoffset():
        yield f"{'second' if local.fold else 'first'} of two {english.time_of_day(local.time())}"


def _last(recurrence: RecurrenceSet, instant: datetime) -> Iterator[str]:
    if recurrence.last is None or recurrence.every_unit == "once":
        return
    if recurrence.is_monotonic:
        following = recurrence.next_after_start(instant, instant)
    else:
        following = recurrence.next_after(instant)
    if following is None:
        yield "the last"


def _jump(local: datetime) -> str:
    """Why the clock jumped just before: for summer time, or a country changed its time."""
    zone = local.tzinfo
    before = (local - AROUND).replace(tzinfo=zone)
    return "summer time" if before.dst() != local.dst() else "a change of the clock"
