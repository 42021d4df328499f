"""Explain a rule in one English sentence, true by docs/recurrence.md. Pure, without Django."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time

from linod_systemd.recurrence import date_phrases, english, wall_clock
from linod_systemd.recurrence.dates import LAST_ELAPSE_YEAR, WEEKLY_UNITS
from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.rules.rule import FREQUENT_UNITS, Rule

HOUR = 3600
OFFSETS = 900  # the seconds of which the offsets of all zones are multiples
NEVER = "never by itself, only when it is run by hand"


def explain(rule: Rule, recurrence: RecurrenceSet, now: datetime | None = None) -> str:
    """When and how a rule is run, in one sentence without a full stop.

    What is usual is not told: that there is no jitter, and that from a day on missed runs are made up.

    :param recurrence: when the rule is due.
    :param now: a start before it is left out unless something counts from it. None: the start is told.
    """
    sentence = ", ".join([when(recurrence, now), *_manner(rule, recurrence)])
    return f"cancelled: {sentence}" if rule.cancelled else sentence


def when(recurrence: RecurrenceSet, now: datetime | None = None) -> str:
    """When it is due; ``now`` as in :func:`explain`."""
    if recurrence.every_unit == "never":
        return NEVER
    if recurrence.every_unit == "once":
        start = recurrence.start_date
        day = f"{english.DAYS[start.weekday()]} {english.full_date(start)}"
        return f"once, on {day} at {_clock(recurrence)}, {recurrence.timezone}"
    limits = " ".join(_limits(recurrence, now))
    if recurrence.period is None:
        what = [_dates(recurrence), recurrence.timezone]
    else:
        what = [_period(recurrence, recurrence.period)]
        is_on_the_hour = recurrence.period > OFFSETS and not recurrence.is_monotonic
        if limits or is_on_the_hour or _has_weekdays(recurrence):
            what.append(recurrence.timezone)
    return ", ".join([*what, limits] if limits else what)


def _dates(recurrence: RecurrenceSet) -> str:
    first, *rest = date_phrases.phrases(recurrence.series)
    at = f"at {_clock(recurrence)}"
    return ", ".join([first, *rest, at]) if rest else f"{first} {at}"


def _period(recurrence: RecurrenceSet, period: int) -> str:
    span = english.span(period)
    text = f"every {span.removeprefix('1 ')}"
    if period == 1:
        text = "once a second"  # “every second” is every other
    if recurrence.is_monotonic:
        text += " after the previous start"
    if not _has_weekdays(recurrence):
        return text
    return f"{text}{',' if recurrence.is_monotonic else ''} on {english.weekdays(recurrence.series.days)}"


def _has_weekdays(recurrence: RecurrenceSet) -> bool:
    return len(recurrence.weekdays) not in (0, 7)


def _clock(recurrence: RecurrenceSet) -> str:
    return english.time_of_day(recurrence.start_time or time())


# --- from when, until when ------------------------------------------------------------------


def _limits(recurrence: RecurrenceSet, now: datetime | None) -> Iterator[str]:
    end, most = recurrence.end_date, recurrence.max_events
    has_end = end is not None and end.year <= LAST_ELAPSE_YEAR
    if most is not None:
        # A monotonic rule ends with the instant that is counted so far from its start, whenever it ran.
        is_exact = not has_end and not recurrence.is_monotonic
        yield english.times(most) if is_exact else f"at most {english.times(most)}"
    first = _first_date(recurrence)
    if now is None or most is not None or _start_matters(recurrence, first, now):
        yield f"from {english.full_date(first)}"
        if recurrence.period is not None:
            yield f"at {_clock(recurrence)}"
    if end is not None and has_end:
        yield f"until {english.full_date(end)}"
        if recurrence.end_time not in (None, time(23, 59, 59)):
            yield f"at {english.time_of_day(recurrence.end_time or time())}"


def _start_matters(recurrence: RecurrenceSet, first: date, now: datetime) -> bool:
    """Whether the start says something more: it lies ahead, or a period counts from it and from no hour."""
    at = recurrence.start_time or time()
    if recurrence.period is not None and not recurrence.is_monotonic:
        is_on_the_hour = HOUR % recurrence.period == 0 and at == time()
        if not is_on_the_hour:
            return True
    return wall_clock.in_utc(first, at, recurrence.zone) > now


def _first_date(recurrence: RecurrenceSet) -> date:
    """The date to count from: the first on which it is due, unless that was moved away from the start."""
    series = recurrence.series
    is_each_listed = series.positions or series.unit in WEEKLY_UNITS
    if is_each_listed or (series.unit == "daily" and series.every == 1):
        return next(series.ascending(series.start))
    return series.start


# --- how it is run --------------------------------------------------------------------------


def _manner(rule: Rule, recurrence: RecurrenceSet) -> Iterator[str]:
    if rule.every_unit == "never":
        return
    if rule.run_after:
        yield f"after {english.listing(rule.run_after)} when due together"
    if rule.jitter:
        yield f"each time with the same delay of up to {english.span(rule.jitter)}"
    if recurrence.is_monotonic:  # a timer that counts from the previous start misses none
        return
    if rule.makes_up and rule.every_unit in FREQUENT_UNITS:
        yield "made up once after a time off"
    if not rule.makes_up and rule.every_unit not in FREQUENT_UNITS:
        yield "not made up after a time off"
