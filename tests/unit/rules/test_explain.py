"""Rules in English: exact sentences, and of generated rules that each says all that matters."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from linod_systemd.recurrence import english
from linod_systemd.recurrence.recurrence_set import WEEKDAYS, RecurrenceError, RecurrenceSet
from linod_systemd.rules.explain import explain, when
from linod_systemd.rules.rule import Rule
from tests.support import recurrence_oracle as oracle

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
WORKDAYS = WEEKDAYS[:5]
BEGUN = date(2026, 1, 31)  # a Saturday
AT_FOUR = time(4)


def sentence(now: datetime | None = NOW, **fields: Any) -> str:
    values: dict[str, Any] = {
        "name": "report",
        "start_date": BEGUN,
        "start_time": AT_FOUR,
        "timezone": "Europe/Brussels",
        **fields,
    }
    rule = Rule(**values)
    return explain(rule, rule.recurrence("UTC"), now)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        (
            {"every_unit": "weekly", "every": 2, "end_date": date(2027, 12, 31)},
            "every second Saturday at 04:00, Europe/Brussels, until 31 December 2027",
        ),
        ({"every_unit": "never"}, "never by itself, only when it is run by hand"),
        ({"every_unit": "once"}, "once, on Saturday 31 January 2026 at 04:00, Europe/Brussels"),
        # --- days
        ({}, "every day at 04:00, Europe/Brussels"),
        ({"start_time": None, "timezone": None}, "every day at 00:00, UTC"),
        ({"start_time": time(4, 0, 30)}, "every day at 04:00:30, Europe/Brussels"),
        ({"every": 2}, "every second day at 04:00, Europe/Brussels"),
        ({"every": 12}, "every twelfth day at 04:00, Europe/Brussels"),
        ({"every": 30}, "every 30th day at 04:00, Europe/Brussels"),
        ({"every": 31}, "every 31st day at 04:00, Europe/Brussels"),
        ({"weekdays": WORKDAYS}, "every Monday–Friday at 04:00, Europe/Brussels"),
        ({"weekdays": WEEKDAYS}, "every day at 04:00, Europe/Brussels"),
        (
            {"every": 3, "weekdays": WORKDAYS},
            "every third day, moved to the next Monday–Friday if it is none, at 04:00, Europe/Brussels",
        ),
        # --- weeks
        ({"every_unit": "weekly"}, "every Saturday at 04:00, Europe/Brussels"),
        (
            {"every_unit": "per_weekday", "weekdays": ("friday", "monday")},
            "every Monday and Friday at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "weekly", "weekdays": ("monday", "tuesday", "wednesday", "friday")},
            "every Monday–Wednesday and Friday at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "weekly", "every": 2, "weekdays": ("monday", "friday")},
            "every second week on Monday and Friday at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "weekly", "every": 3, "weekdays": WEEKDAYS},
            "every day of every third week at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "weekly", "every": 2, "weekdays": WORKDAYS, "positions": "1 -1"},
            "every second week on Monday and Friday at 04:00, Europe/Brussels",
        ),
        ({"every_unit": "weekly", "positions": "-1"}, "every Sunday at 04:00, Europe/Brussels"),
        # --- months
        (
            {"every_unit": "monthly", "start_date": date(2026, 1, 15)},
            "on the 15th of every month at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "monthly", "start_date": date(2026, 1, 1), "every": 3},
            "on the first of every third month at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "monthly"},
            "on the 31st of every month, or the last day where it is shorter, at 04:00, Europe/Brussels",
        ),
        # January every 12 months is never shorter
        (
            {"every_unit": "monthly", "every": 12},
            "on the 31st of every twelfth month at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "monthly", "weekdays": WORKDAYS},
            "on the 31st of every month, or the last day where it is shorter, "
            "moved to the next Monday–Friday if it is none, at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "monthly", "weekdays": WORKDAYS, "positions": "1 -1"},
            "on the first and the last working day of every month at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "monthly", "every": 3, "weekdays": ("friday",), "positions": "-1"},
            "on the last Friday of every third month at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "monthly", "weekdays": ("sunday", "saturday"), "positions": "-1 2 +1 -2 -2"},
            "on the first, the second, the second-to-last and the last Saturday or Sunday of every month "
            "at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "monthly", "weekdays": ("monday",), "positions": "5"},
            "on the fifth Monday of every month, where there is one, at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "monthly", "positions": "-1"},
            "on the last day of every month at 04:00, Europe/Brussels",
        ),
        # --- years
        ({"every_unit": "yearly"}, "every year on 31 January at 04:00, Europe/Brussels"),
        (
            {"every_unit": "yearly", "start_date": date(2024, 2, 29)},
            "every year on 29 February, the 28th in other years, at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "yearly", "every": 2, "weekdays": ("monday", "tuesday")},
            "every second year on 31 January, moved to the next Monday or Tuesday if it is none, at 04:00, "
            "Europe/Brussels",
        ),
        (
            {"every_unit": "yearly", "weekdays": WORKDAYS, "positions": "1", "start_date": date(2026, 1, 1)},
            "on the first working day of every year at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "yearly", "every": 2, "positions": "100 366"},
            "on the 100th and the 366th day of every second year, where there is one, at 04:00, "
            "Europe/Brussels",
        ),
        (
            {"every_unit": "easter", "start_date": date(2026, 4, 5)},
            "every year on Easter Sunday at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "easter", "start_date": date(2026, 4, 7), "every": 2},
            "every second year, 2 days after Easter Sunday, at 04:00, Europe/Brussels",
        ),
        (
            {"every_unit": "easter", "start_date": date(2026, 4, 4), "weekdays": WORKDAYS},
            "every year, 1 day before Easter Sunday, moved to the next Monday–Friday if it is none, "
            "at 04:00, Europe/Brussels",
        ),
        # --- less than a day
        ({"every_unit": "secondly", "every": 10, "start_time": None}, "every 10 seconds"),
        ({"every_unit": "secondly", "start_time": None}, "once a second"),
        (
            {"every_unit": "secondly", "every": 5400, "start_time": None},
            "every 90 minutes, Europe/Brussels, from 31 January 2026 at 00:00",
        ),
        ({"every_unit": "minutely", "start_time": None}, "every minute"),
        ({"every_unit": "secondly", "every": 7}, "every 7 seconds after the previous start"),
        ({"every_unit": "minutely", "every": 5, "start_time": None}, "every 5 minutes"),
        # in Kathmandu the hour is another
        ({"every_unit": "hourly", "start_time": None}, "every hour, Europe/Brussels"),
        (
            {"every_unit": "hourly", "every": 36, "weekdays": WORKDAYS},
            "every 36 hours on Monday–Friday, Europe/Brussels, from 31 January 2026 at 04:00",
        ),
        (
            {"every_unit": "hourly", "every": 2, "start_time": time(0, 30)},
            "every 2 hours, Europe/Brussels, from 31 January 2026 at 00:30",
        ),
        (
            {"every_unit": "minutely", "every": 15, "start_time": None, "weekdays": ("saturday", "sunday")},
            "every 15 minutes on Saturday and Sunday, Europe/Brussels",
        ),
        # --- from when, until when, how often
        ({"start_date": date(2027, 1, 1)}, "every day at 04:00, Europe/Brussels, from 1 January 2027"),
        (
            {"start_date": date(2027, 1, 1), "end_date": date(2027, 1, 9), "end_time": time(3, 59)},
            "every day at 04:00, Europe/Brussels, from 1 January 2027 until 9 January 2027 at 03:59",
        ),
        # a Sunday: the Saturday of the first week is past, so the second week after it is the first
        (
            {"every_unit": "weekly", "every": 2, "start_date": date(2027, 1, 3), "weekdays": ("saturday",)},
            "every second Saturday at 04:00, Europe/Brussels, from 16 January 2027",
        ),
        (
            {"every_unit": "secondly", "every": 10, "start_date": date(2027, 1, 1), "start_time": None},
            "every 10 seconds, Europe/Brussels, from 1 January 2027 at 00:00",
        ),
        ({"max_events": 12}, "every day at 04:00, Europe/Brussels, 12 times from 31 January 2026"),
        ({"max_events": 1}, "every day at 04:00, Europe/Brussels, once from 31 January 2026"),
        (
            {"max_events": 2, "end_date": date(2026, 12, 24)},
            "every day at 04:00, Europe/Brussels, at most twice from 31 January 2026 until 24 December 2026",
        ),
        ({"end_date": date(9999, 12, 31)}, "every day at 04:00, Europe/Brussels"),
        # --- how it is run
        ({"catch_up": True}, "every day at 04:00, Europe/Brussels"),
        ({"catch_up": False}, "every day at 04:00, Europe/Brussels, not made up after a time off"),
        (
            {"every_unit": "hourly", "start_time": None, "catch_up": True},
            "every hour, Europe/Brussels, made up once after a time off",
        ),
        (
            {"jitter": 300, "run_after": ("a", "b")},
            "every day at 04:00, Europe/Brussels, after a and b when due together, "
            "each time with the same delay of up to 5 minutes",
        ),
        ({"cancelled": True}, "cancelled: every day at 04:00, Europe/Brussels"),
    ],
)
def test_sentence(fields: dict[str, Any], wanted: str) -> None:
    assert sentence(**fields) == wanted


def test_without_a_now_the_start_is_told() -> None:
    assert sentence(now=None) == "every day at 04:00, Europe/Brussels, from 31 January 2026"


def test_ordinals_are_words_up_to_the_twelfth() -> None:
    wanted = [
        "first",
        "second",
        "third",
        "eleventh",
        "twelfth",
        "13th",
        "21st",
        "22nd",
        "23rd",
        "111th",
        "112th",
    ]
    assert [english.ordinal(number) for number in (1, 2, 3, 11, 12, 13, 21, 22, 23, 111, 112)] == wanted


# --- generated rules ------------------------------------------------------------------------

GENERATED = settings(
    max_examples=oracle.RULES // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


def possible(fields: oracle.Fields) -> RecurrenceSet:
    """Not each combination of generated fields is possible."""
    try:
        return RecurrenceSet(**fields)
    except RecurrenceError:
        assume(False)
        raise


@GENERATED
@given(oracle.rules(), st.sampled_from([None, NOW]))
def test_each_rule_is_one_clean_line(fields: oracle.Fields, now: datetime | None) -> None:
    text = when(possible(fields), now)
    assert text == text.strip(" ,") and text
    assert not re.search(r"\n|  |None|,,|, ,| ,|,\S|\b(\w+) \1\b", text), text


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[oracle.Fields, oracle.Fields]:
    """A rule, and the same with one or two of its fields from another; jitter is told apart from them."""
    one, other = ({**draw(oracle.rules()), "delay": 0} for _ in range(2))
    taken = draw(st.sets(st.sampled_from(sorted(one)), min_size=1, max_size=2))
    return one, {key: other.get(key) if key in taken else value for key, value in one.items()}


@GENERATED
@given(neighbours())
def test_rules_that_are_due_at_different_times_have_different_sentences(
    pair: tuple[oracle.Fields, oracle.Fields],
) -> None:
    one, other = map(possible, pair)
    if when(one) == when(other):
        before = one.anchor - timedelta(days=2)
        assert due(one, before) == due(other, before), when(one)
    # What has begun is told without its first date; a monotonic rule counts from its last start, if any.
    if one.start_date == other.start_date and not one.is_monotonic and when(one, NOW) == when(other, NOW):
        assert due(one, NOW) == due(other, NOW), when(one, NOW)


def due(recurrence: RecurrenceSet, after: datetime) -> list[datetime]:
    """Its instants in 400 days, or the first of them."""
    end = after + timedelta(days=400)
    return list(islice(takewhile(lambda instant: instant <= end, recurrence.occurrences(after)), 300))
