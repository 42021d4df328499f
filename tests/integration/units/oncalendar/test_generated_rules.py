"""Generated rules: `next` and the timer, as systemd elapses it, are compared with the oracle.

300 in the quick tests; in the long ones LINOD_RULES, 20,000 by default.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from linod_systemd.recurrence.recurrence_set import RecurrenceError, RecurrenceSet
from linod_systemd.units.oncalendar.timer import horizon_end, timer_lines
from tests.support import recurrence_oracle as oracle
from tests.support.elapsing import elapses, needs_systemd

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
DAYS, COUNT = 400 * DAY, 100  # what a timer has to hold, whichever is shorter
MOST = 150
LIMITS = {"daily": 1200, "weekly": 900, "per_weekday": 900, "monthly": 2500, "yearly": 5000, "easter": 5000}


def _case(now: datetime, **fields: Any) -> oracle.Case:
    return {"every": 1, "start_time": None, "weekdays": (), "positions": "", **fields}, now


# In Kathmandu 1986 began at 00:15; systemd then finds nothing of that year from 1985.
NEW_YEAR = _case(
    datetime(1985, 12, 6, 18, 30, tzinfo=UTC),
    every_unit="daily",
    start_date=date(1985, 12, 7),
    timezone="Asia/Kathmandu",
    max_events=26,
)
# It ends after the 400 days that were listed.
LATE_END = _case(
    datetime(1999, 12, 31, 23, tzinfo=UTC),
    every_unit="weekly",
    start_date=date(2000, 1, 1),
    end_date=date(2001, 2, 10),
    timezone="Europe/Brussels",
    max_events=59,
)

# In Havana midnight of 2071-11-01 is there twice; systemd took the second, after a line about the winter.
REPEATED = _case(
    datetime(2070, 12, 21, 5, tzinfo=UTC),
    every_unit="per_weekday",
    start_date=date(2070, 12, 21),
    end_date=date(2071, 11, 1),
    timezone="America/Havana",
    max_events=46,
    delay=1,
)


# It starts so far ahead that nothing was compared before the start.
FAR_START = _case(
    datetime(2022, 11, 27, 22, 59, 59, tzinfo=UTC),
    every_unit="yearly",
    every=2,
    start_date=date(2024, 2, 29),
    timezone="Europe/Brussels",
    positions="2",
)


# From 1995 on, Egypt's clock skipped midnight in spring; before, it had skipped one o'clock.
NEW_LAW = _case(
    datetime(1994, 1, 6, 22, tzinfo=UTC),
    every_unit="per_weekday",
    start_date=date(1994, 1, 7),
    timezone="Africa/Cairo",
)


# It is computed in the hour that the clock shows twice.
TWICE = _case(
    datetime(2027, 10, 31, tzinfo=UTC),
    every_unit="monthly",
    start_date=date(2027, 10, 31),
    start_time=time(2),
    timezone="Europe/Brussels",
    delay=1,
)


# Kathmandu's new year of 1986 lies beyond the 400 days, and is the next time that it is due.
FAR_NEW_YEAR = _case(
    datetime(1984, 6, 30, 19, tzinfo=UTC),
    every_unit="monthly",
    every=18,
    start_date=date(1984, 7, 1),
    start_time=time(0, 30),
    timezone="Asia/Kathmandu",
)


@needs_systemd
@settings(max_examples=oracle.RULES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=oracle.cases())
@example(case=NEW_YEAR)
@example(case=LATE_END)
@example(case=REPEATED)
@example(case=FAR_START)
@example(case=NEW_LAW)
@example(case=TWICE)
@example(case=FAR_NEW_YEAR)
def test_next_and_the_timer_are_as_the_oracle_says(case: oracle.Case) -> None:
    _check(case)


@needs_systemd
@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=oracle.MANY_RULES, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=oracle.cases())
def test_many_more_of_them(case: oracle.Case) -> None:
    _check(case)


def _check(case: oracle.Case) -> None:
    rule, now = case
    end = max(now, oracle.anchor(rule)) + LIMITS.get(rule["every_unit"], 60) * DAY
    expected, is_complete = oracle.series(rule, now, end, MOST)
    try:
        recurrence = RecurrenceSet(**rule)
    except RecurrenceError:
        assert oracle.series(rule, oracle.anchor(rule) - SECOND, end, 1)[0] == []
        return
    _check_next(recurrence, now, end, expected)
    if recurrence.is_monotonic:
        lines = timer_lines(recurrence, now)
        assert not lines or lines[-1] == f"OnUnitActiveSec={oracle.period(rule)}s"
    else:
        _check_timer(recurrence, now, end, expected, is_complete)


def _check_next(recurrence: RecurrenceSet, now: datetime, end: datetime, expected: list[datetime]) -> None:
    within = takewhile(lambda instant: instant <= end, recurrence.occurrences(now))
    assert list(islice(within, MOST)) == expected
    for position in {0, len(expected) // 2, len(expected) - 1} if expected else ():
        instant = expected[position]
        assert recurrence.last_before(instant) == recurrence.last_before(instant + SECOND / 2) == instant
        assert recurrence.next_after(instant - SECOND) == instant
        if position:
            assert recurrence.last_before(instant - SECOND) == expected[position - 1]


def _check_timer(
    recurrence: RecurrenceSet, now: datetime, end: datetime, expected: list[datetime], is_complete: bool
) -> None:
    lines = timer_lines(recurrence, now)
    assert all(len(line) < 2000 for line in lines) and len(lines) <= 800
    assert bool(lines) == (recurrence.next_after(now) is not None)
    zone = "UTC" if now.second % 32 == 0 else recurrence.timezone  # some as they are written
    found = elapses(lines, now, len(expected) + 1, zone)
    until = horizon_end(recurrence, now)
    if is_complete:
        assert set(found) <= set(expected)
        if len(expected) <= COUNT:
            assert found == expected and until is None
            return
    seen = expected[-1] if len(expected) == MOST else end
    needed = min(now + DAYS, expected[COUNT - 1]) if len(expected) >= COUNT else now + DAYS
    covered = [one for one in expected if one <= needed]
    assert until is None or not covered or until >= covered[-1]
    cutoff = min(seen, until or seen)
    assert [one for one in found if one <= cutoff] == [one for one in expected if one <= cutoff]
