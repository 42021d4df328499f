"""What makes an instant special."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from linod_systemd.recurrence.recurrence_set import WEEKDAYS, RecurrenceError, RecurrenceSet
from linod_systemd.recurrence.remarks import peculiarities
from tests.support import recurrence_oracle as oracle

WORKDAYS = WEEKDAYS[:5]
MOVABLE = ("daily", "monthly", "yearly", "easter")
BEGUN = date(2024, 1, 31)
HALF_PAST_TWO = time(2, 30)
SHIFTED = "shifted by summer time: 02:30 does not exist"


def rule(**fields: Any) -> RecurrenceSet:
    values = {"every_unit": "daily", "start_date": BEGUN, "timezone": "Europe/Brussels", **fields}
    return RecurrenceSet(**values)


def marks(day: date, **fields: Any) -> list[str]:
    """Those of the first instant at which the rule is due on a day of its zone."""
    recurrence = rule(**fields)
    midnight = datetime.combine(day, time(), recurrence.zone).astimezone(UTC)
    instant = recurrence.next_after(midnight - timedelta(seconds=1))
    assert instant is not None and instant.astimezone(recurrence.zone).date() == day
    return peculiarities(recurrence, instant)


@pytest.mark.parametrize(
    ("zone", "day", "at", "wanted"),
    [
        ("Europe/Brussels", date(2027, 3, 27), HALF_PAST_TWO, []),
        ("Europe/Brussels", date(2027, 3, 28), HALF_PAST_TWO, [SHIFTED]),
        ("Europe/Brussels", date(2027, 3, 28), time(3, 30), []),
        ("Europe/Brussels", date(2026, 10, 25), HALF_PAST_TWO, ["first of two 02:30"]),
        ("Europe/Brussels", date(2026, 10, 25), time(3), []),
        # half an hour: from 02:00 to 02:30 in October, from 02:00 back to 01:30 in April
        (
            "Australia/Lord_Howe",
            date(2026, 10, 4),
            time(2, 15),
            ["shifted by summer time: 02:15 does not exist"],
        ),
        ("Australia/Lord_Howe", date(2026, 10, 4), HALF_PAST_TWO, []),
        ("Australia/Lord_Howe", date(2027, 4, 4), time(1, 45), ["first of two 01:45"]),
        ("Australia/Lord_Howe", date(2027, 4, 4), time(1, 15), []),
        # a country that gave up its summer time, and made it its time
        ("Asia/Pyongyang", date(2018, 5, 5), time(0), []),
        (
            "Asia/Pyongyang",
            date(2018, 5, 5),
            time(23, 45),
            ["shifted by a change of the clock: 23:45 does not exist"],
        ),
    ],
)
def test_jumps_of_the_clock(zone: str, day: date, at: time, wanted: list[str]) -> None:
    assert marks(day, timezone=zone, start_time=at, start_date=date(2018, 1, 1)) == wanted


def test_a_day_that_the_clock_leaves_out() -> None:
    fields: dict[str, Any] = {
        "timezone": "Pacific/Apia",
        "start_date": date(2011, 10, 30),
        "start_time": time(4),
    }
    assert marks(date(2011, 12, 31), every_unit="monthly", **fields) == [
        "shifted: the clock leaves out 30 December"
    ]
    assert marks(date(2011, 12, 31), every_unit="daily", **fields) == []


def test_a_period_comes_twice_in_the_hour_that_does() -> None:
    recurrence = rule(every_unit="minutely", every=30)
    found = islice(recurrence.occurrences(datetime(2026, 10, 24, 23, 45, tzinfo=UTC)), 6)
    assert [peculiarities(recurrence, instant) for instant in found] == [
        ["first of two 02:00"],
        ["first of two 02:30"],
        ["second of two 02:00"],
        ["second of two 02:30"],
        [],
        [],
    ]


def test_moved_to_a_weekday() -> None:
    first = {"every_unit": "monthly", "start_date": date(2026, 1, 1), "weekdays": WORKDAYS}
    assert marks(date(2026, 3, 2), **first) == ["moved from Sunday 1 to Monday 2"]
    assert marks(date(2026, 4, 1), **first) == []
    last = {**first, "start_date": date(2026, 1, 31)}
    assert marks(date(2026, 2, 2), **last) == ["moved from Saturday 31 January to Monday 2 February"]
    assert marks(date(2026, 3, 2), **last) == [
        "last day of a shorter month",
        "moved from Saturday 28 February to Monday 2 March",
    ]
    # each of its days is one of its dates, although others are moved there too
    assert marks(date(2026, 3, 2), start_date=date(2026, 1, 1), weekdays=WORKDAYS) == []


def test_shorter_months_and_years() -> None:
    assert marks(date(2027, 2, 28), every_unit="monthly") == ["last day of a shorter month"]
    assert marks(date(2027, 3, 31), every_unit="monthly") == []
    leap_day = {"every_unit": "yearly", "start_date": date(2024, 2, 29)}
    assert marks(date(2027, 2, 28), **leap_day) == ["no 29 February in 2027"]
    assert marks(date(2028, 2, 29), **leap_day) == []
    assert marks(date(2027, 2, 28), every_unit="monthly", positions="-1") == []


def test_the_last() -> None:
    assert marks(date(2024, 2, 1), max_events=2) == ["the last"]
    assert marks(date(2024, 1, 31), max_events=2) == []
    monotonic = rule(every_unit="secondly", every=7, end_date=BEGUN, end_time=time(0, 1))
    begin = monotonic.anchor
    assert peculiarities(monotonic, begin + timedelta(seconds=54)) == ["the last"]
    assert peculiarities(monotonic, begin + timedelta(seconds=50)) == []


@settings(
    max_examples=oracle.RULES // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)
@given(oracle.rules())
def test_marks_tell_what_differs_and_nothing_else(fields: oracle.Fields) -> None:
    """Shifted if and only if the clock shows another time than the rule's, moved if and only if the rule
    would not be due on that day without its weekdays."""
    try:
        recurrence = RecurrenceSet(**fields)
    except RecurrenceError:
        assume(False)
        raise
    movable = fields["every_unit"] in MOVABLE and not fields["positions"]
    for instant in islice(recurrence.occurrences(), 25):
        local = (instant - recurrence.shift).astimezone(recurrence.zone)
        said = " ".join(peculiarities(recurrence, instant))
        is_shifted = recurrence.period is None and local.time() != (recurrence.start_time or time())
        assert ("does not exist" in said) is is_shifted
        if "shifted" not in said:
            is_moved = movable and not oracle.is_due_on({**fields, "weekdays": ()}, local.date())
            assert ("moved" in said) is is_moved


def test_jitter_is_told_and_judges_nothing() -> None:
    recurrence = rule(every_unit="monthly", delay=90)
    instant = recurrence.next_after(datetime(2026, 2, 27, tzinfo=UTC))
    assert instant is not None
    assert peculiarities(recurrence, instant) == [
        "last day of a shorter month",
        "90 seconds late by its jitter",
    ]
