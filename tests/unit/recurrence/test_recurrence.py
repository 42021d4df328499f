"""When a rule is due: examples from docs/recurrence.md."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from types import FrameType
from typing import Any

import pytest

from linod_systemd.recurrence.recurrence_set import UNITS, WEEKDAYS, RecurrenceError, RecurrenceSet

NOW = datetime(2026, 11, 24, 15, 0, tzinfo=UTC)
BRUSSELS = "Europe/Brussels"
WORKDAYS = WEEKDAYS[:5]


def due(number: int = 5, after: datetime | None = None, **fields: Any) -> list[str]:
    """The first instants of a rule, on its own wall clock."""
    recurrence = RecurrenceSet(**fields)
    zone = recurrence.zone
    return [
        f"{one.astimezone(zone):%Y-%m-%d %H:%M %z}" for one in islice(recurrence.occurrences(after), number)
    ]


def dates(number: int, **fields: Any) -> list[str]:
    return [text[:10] for text in due(number, **fields)]


# --- each unit ------------------------------------------------------------------------------


def test_units_and_weekdays_are_those_of_the_contract() -> None:
    assert (
        tuple(
            [
                "never",
                "once",
                "secondly",
                "minutely",
                "hourly",
                "daily",
                "weekly",
                "per_weekday",
                "monthly",
                "yearly",
                "easter",
            ]
        )
        == UNITS
    )
    assert WEEKDAYS[0] == "monday" and len(WEEKDAYS) == 7


def test_never_is_never_due() -> None:
    recurrence = RecurrenceSet(every_unit="never", start_date=date(2026, 1, 1))
    assert list(recurrence.occurrences()) == []
    assert recurrence.next_after(NOW) is None and recurrence.last_before(NOW) is None


def test_once_is_due_at_the_start_alone() -> None:
    fields: dict[str, Any] = {"every_unit": "once", "start_date": date(2026, 5, 1), "timezone": BRUSSELS}
    assert due(**fields, start_time=time(4)) == ["2026-05-01 04:00 +0200"]
    assert RecurrenceSet(**fields).next_after(NOW) is None


def test_minutely_counts_elapsed_time_across_summer_time() -> None:
    found = due(
        4,
        every_unit="minutely",
        every=30,
        start_date=date(2027, 3, 28),
        start_time=time(1),
        timezone=BRUSSELS,
    )
    assert [text[11:] for text in found] == ["01:00 +0100", "01:30 +0100", "03:00 +0200", "03:30 +0200"]


def test_hourly_is_kept_on_the_ticked_local_weekdays() -> None:
    found = due(
        5,
        every_unit="hourly",
        every=8,
        start_date=date(2026, 11, 24),
        weekdays=("tuesday", "friday"),
        timezone="Pacific/Apia",
    )
    assert found == [
        *(f"2026-11-24 {hour}:00 +1300" for hour in ("00", "08", "16")),
        *(f"2026-11-27 {hour}:00 +1300" for hour in ("00", "08")),
    ]


def test_daily_every_third_day() -> None:
    assert dates(3, every_unit="daily", every=3, start_date=date(2026, 2, 25)) == [
        *("2026-02-25", "2026-02-28", "2026-03-03")
    ]


def test_weekdays_move_a_daily_date_forward_and_two_on_one_day_are_one() -> None:
    found = dates(4, every_unit="daily", every=1, start_date=date(2026, 11, 27), weekdays=WORKDAYS)
    assert found == ["2026-11-27", "2026-11-30", "2026-12-01", "2026-12-02"]


def test_every_second_week_starts_with_the_monday_of_the_start() -> None:
    found = dates(
        4, every_unit="weekly", every=2, start_date=date(2026, 11, 25), weekdays=("monday", "friday")
    )
    assert found == ["2026-11-27", "2026-12-07", "2026-12-11", "2026-12-21"]


def test_per_weekday_without_ticks_is_due_on_the_weekday_of_the_start() -> None:
    found = dates(2, every_unit="per_weekday", every=3, start_date=date(2026, 11, 25))
    assert found == ["2026-11-25", "2026-12-16"]


def test_monthly_on_the_31st_is_the_last_day_of_shorter_months() -> None:
    found = dates(4, every_unit="monthly", start_date=date(2027, 12, 31))
    assert found == ["2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31"]


def test_monthly_moved_by_weekdays_crosses_into_the_next_month() -> None:
    found = dates(3, every_unit="monthly", start_date=date(2026, 1, 31), weekdays=WORKDAYS)
    assert found == ["2026-02-02", "2026-03-02", "2026-03-31"]
    recurrence = RecurrenceSet(
        every_unit="monthly", start_date=date(2026, 1, 31), start_time=time(4), weekdays=WORKDAYS
    )
    moved = datetime(2026, 3, 2, 4, tzinfo=UTC)
    assert recurrence.next_after(moved - timedelta(seconds=1)) == recurrence.last_before(moved) == moved


def test_yearly_on_29_february_becomes_the_28th() -> None:
    found = dates(5, every_unit="yearly", start_date=date(2024, 2, 29))
    assert found == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


def test_easter_keeps_the_distance_to_easter_sunday() -> None:
    good_friday = dates(3, every_unit="easter", start_date=date(2026, 4, 3))
    assert good_friday == ["2026-04-03", "2027-03-26", "2028-04-14"]


def test_easter_reaches_back_into_the_year_before() -> None:
    found = dates(3, every_unit="easter", start_date=date(2000, 1, 1))  # 113 days before Easter Sunday
    assert found == ["2000-01-01", "2000-12-23", "2001-12-08"]
    recurrence = RecurrenceSet(every_unit="easter", start_date=date(2000, 1, 1))
    december = datetime(2000, 12, 23, tzinfo=UTC)
    assert recurrence.last_before(december) == december


def test_the_second_time_on_the_clock_is_never_meant() -> None:
    fields: dict[str, Any] = {"every_unit": "daily", "start_date": date(2027, 10, 31), "timezone": BRUSSELS}
    assert due(1, **fields, start_time=time(2, 30, fold=1)) == ["2027-10-31 02:30 +0200"]


@pytest.mark.parametrize(
    ("unit", "positions", "weekdays", "expected"),
    [
        ("weekly", "1 -1", WORKDAYS, ["2026-11-27", "2026-11-30", "2026-12-04"]),
        ("weekly", "2", (), ["2026-12-01", "2026-12-08", "2026-12-15"]),
        ("monthly", "1", WORKDAYS, ["2026-12-01", "2027-01-01", "2027-02-01"]),
        ("monthly", "-1", ("friday",), ["2026-11-27", "2026-12-25", "2027-01-29"]),
        ("monthly", "5", ("monday",), ["2026-11-30", "2027-03-29", "2027-05-31"]),
        ("yearly", "1 -1", ("sunday",), ["2026-12-27", "2027-01-03", "2027-12-26"]),
        ("yearly", "366", (), ["2028-12-31", "2032-12-31", "2036-12-31"]),
    ],
)
def test_positions(unit: str, positions: str, weekdays: tuple[str, ...], expected: list[str]) -> None:
    found = dates(3, every_unit=unit, positions=positions, weekdays=weekdays, start_date=date(2026, 11, 26))
    assert found == expected


# --- the wall clock -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "at", "expected"),
    [
        (BRUSSELS, date(2027, 3, 28), time(2, 30), "2027-03-28 03:30 +0200"),
        (BRUSSELS, date(2027, 10, 31), time(2, 30), "2027-10-31 02:30 +0200"),
        ("America/New_York", date(2027, 11, 7), time(1, 30), "2027-11-07 01:30 -0400"),
        ("Australia/Lord_Howe", date(2027, 10, 3), time(2, 15), "2027-10-03 02:45 +1100"),
        ("Australia/Lord_Howe", date(2027, 4, 4), time(1, 45), "2027-04-04 01:45 +1100"),
        # Of these the past alone is sure: their governments decide anew, and newer time zones say so.
        ("Africa/Casablanca", date(2025, 4, 6), time(2, 30), "2025-04-06 03:30 +0100"),
        ("Africa/Cairo", date(2024, 4, 26), None, "2024-04-26 01:00 +0300"),
        ("Pacific/Apia", date(2011, 12, 30), time(4), "2011-12-31 04:00 +1400"),
    ],
)
def test_times_that_do_not_exist_or_exist_twice(zone: str, day: date, at: time | None, expected: str) -> None:
    start = day - timedelta(days=1)
    assert due(2, every_unit="daily", start_date=start, start_time=at, timezone=zone)[1] == expected


def test_a_day_that_was_left_out_is_no_second_run_and_counts_once() -> None:
    found = due(9, every_unit="daily", start_date=date(2011, 12, 28), timezone="Pacific/Apia", max_events=4)
    assert [text[:10] for text in found] == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]


# --- start, end, number ---------------------------------------------------------------------


def test_nothing_is_due_before_the_start() -> None:
    recurrence = RecurrenceSet(every_unit="daily", start_date=date(2027, 1, 1))
    assert recurrence.next_after(NOW) == recurrence.anchor == datetime(2027, 1, 1, tzinfo=UTC)
    assert recurrence.last_before(NOW) is None


def test_the_end_is_the_last_second_of_its_day_and_itself_belongs_to_the_series() -> None:
    fields: dict[str, Any] = {"every_unit": "daily", "start_date": date(2026, 1, 1), "start_time": time(12)}
    assert len(due(9, **fields, end_date=date(2026, 1, 3))) == 3
    assert len(due(9, **fields, end_date=date(2026, 1, 3), end_time=time(12))) == 3
    assert len(due(9, **fields, end_date=date(2026, 1, 3), end_time=time(11, 59, 59))) == 2


def test_max_events_are_counted_from_the_start() -> None:
    fields: dict[str, Any] = {"every_unit": "daily", "start_date": date(2026, 11, 20), "max_events": 6}
    assert dates(9, after=NOW, **fields) == ["2026-11-25"]
    assert RecurrenceSet(**fields).last_before(datetime(2030, 1, 1, tzinfo=UTC)) == datetime(
        2026, 11, 25, tzinfo=UTC
    )


def test_the_whichever_is_first_of_end_and_max_events_ends_it() -> None:
    fields: dict[str, Any] = {"every_unit": "daily", "start_date": date(2026, 1, 1)}
    assert len(due(99, **fields, max_events=5, end_date=date(2026, 1, 3))) == 3
    assert len(due(99, **fields, max_events=2, end_date=date(2026, 1, 3))) == 2


def test_an_end_in_the_year_9999_is_none() -> None:
    for zone in ("Asia/Tokyo", "America/New_York"):
        assert (
            len(due(9, every_unit="daily", start_date=date(2026, 1, 1), end_date=date.max, timezone=zone))
            == 9
        )


# --- far-off answers ------------------------------------------------------------------------


def test_the_next_of_a_rule_from_1970_is_right() -> None:
    recurrence = RecurrenceSet(every_unit="secondly", every=10, start_date=date(1970, 1, 1))
    assert recurrence.next_after(NOW) == NOW + timedelta(seconds=10)
    assert recurrence.last_before(NOW) == NOW


def test_the_hundred_millionth_event_is_computed() -> None:
    recurrence = RecurrenceSet(
        every_unit="secondly", every=10, start_date=date(1970, 1, 1), max_events=100_000_000
    )
    assert recurrence.last == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=999_999_990)
    assert recurrence.next_after(NOW) is None and recurrence.last_before(NOW) == recurrence.last


def test_the_number_of_ticks_on_ticked_weekdays_is_computed() -> None:
    recurrence = RecurrenceSet(
        every_unit="secondly", every=10, start_date=date(2026, 11, 23), weekdays=("monday",), max_events=8641
    )
    assert recurrence.last == datetime(2026, 11, 30, tzinfo=UTC)


def calls(ask: Callable[[], object]) -> int:
    """How many functions are called for an answer."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        ask()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "fields",
    [
        {"every_unit": "secondly", "every": 10},
        {"every_unit": "secondly", "every": 10, "weekdays": WORKDAYS, "timezone": BRUSSELS},
        {"every_unit": "secondly", "every": 10, "max_events": 10**6},
        {"every_unit": "secondly", "every": 10, "end_date": date(1980, 1, 1)},
        {"every_unit": "daily", "weekdays": WORKDAYS, "max_events": 10**5},
        {"every_unit": "daily", "every": 3, "weekdays": ("monday",), "max_events": 10**3},
        {"every_unit": "weekly", "every": 2, "weekdays": WORKDAYS, "max_events": 10**4},
        {"every_unit": "monthly", "positions": "-1", "end_date": date(1980, 1, 1)},
        {"every_unit": "easter", "max_events": 5},
    ],
)
def test_far_from_the_start_an_answer_costs_no_more_than_near_it(fields: dict[str, Any]) -> None:
    for moment in (datetime(1970, 1, 2, tzinfo=UTC), NOW, datetime(2190, 1, 1, tzinfo=UTC)):

        def ask(moment: datetime = moment) -> None:
            recurrence = RecurrenceSet(start_date=date(1970, 1, 1), **fields)
            recurrence.next_after(moment)
            recurrence.last_before(moment)

        assert calls(ask) < 3000


@pytest.mark.parametrize("number", [1, 6, 7, 8, 50, 333])
@pytest.mark.parametrize(
    "fields",
    [
        {"every_unit": "daily", "weekdays": ("monday", "friday")},
        {"every_unit": "daily", "every": 3, "weekdays": ("monday", "tuesday", "saturday")},
        {"every_unit": "daily", "every": 10, "weekdays": WORKDAYS},
        {"every_unit": "weekly", "every": 2, "weekdays": ("monday", "friday")},
        {"every_unit": "weekly", "positions": "2 -1"},
        {"every_unit": "monthly", "weekdays": WORKDAYS},
        {"every_unit": "monthly", "positions": "5", "weekdays": ("friday",)},
        {"every_unit": "easter"},
        {"every_unit": "hourly", "every": 5, "weekdays": ("monday", "sunday"), "timezone": BRUSSELS},
        {"every_unit": "hourly", "every": 36, "weekdays": ("saturday",), "timezone": "Pacific/Apia"},
    ],
)
def test_the_last_of_max_events_is_that_of_its_number(fields: dict[str, Any], number: int) -> None:
    fields = {"start_date": date(2011, 12, 29), "start_time": time(2, 30), **fields}
    counted = next(islice(RecurrenceSet(**fields).occurrences(), number - 1, None), None)
    assert RecurrenceSet(**fields, max_events=number).last == counted


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit not in ("never", "once")])
def test_an_interval_beyond_the_calendar_is_due_at_the_start_alone(unit: str) -> None:
    recurrence = RecurrenceSet(every_unit=unit, every=10**9, start_date=date(2199, 1, 1))
    assert list(recurrence.occurrences()) == [datetime(2199, 1, 1, tzinfo=UTC)]


# --- what counts from the previous start ----------------------------------------------------


def seven_seconds(**fields: Any) -> RecurrenceSet:
    return RecurrenceSet(every_unit="secondly", every=7, **{"start_date": date(2026, 1, 1), **fields})


@pytest.mark.parametrize(
    ("unit", "every", "expected"),
    [
        ("minutely", 7, False),
        ("hourly", 36, False),
        ("secondly", 7, True),
        ("secondly", 61, False),
        ("secondly", 30, False),
        ("hourly", 24, False),
        ("secondly", 86400, False),
        ("secondly", 27, False),
        ("daily", 7, False),
    ],
)
def test_seconds_that_divide_no_day_are_monotonic(unit: str, every: int, expected: bool) -> None:
    recurrence = RecurrenceSet(every_unit=unit, every=every, start_date=date(2026, 1, 1))
    assert recurrence.is_monotonic is expected


def test_the_first_run_is_at_the_start_or_at_once_if_that_is_past() -> None:
    assert seven_seconds().next_after_start(None, NOW) == NOW
    later = seven_seconds(start_date=date(2027, 1, 1))
    assert later.next_after_start(None, NOW) == later.anchor


def test_it_counts_on_from_the_previous_start() -> None:
    second = timedelta(seconds=1)
    assert seven_seconds().next_after_start(NOW - 3 * second, NOW) == NOW + 4 * second
    assert seven_seconds().next_after_start(NOW - 30 * second, NOW) == NOW


def test_a_run_before_the_start_does_not_count() -> None:
    later = seven_seconds(start_date=date(2027, 1, 1))
    assert later.next_after_start(NOW - timedelta(minutes=1), NOW) == later.anchor


def test_it_waits_for_a_ticked_weekday() -> None:
    recurrence = seven_seconds(weekdays=("monday",), timezone=BRUSSELS)
    monday = datetime(2026, 11, 29, 23, 0, tzinfo=UTC)
    assert recurrence.next_after_start(NOW - timedelta(seconds=7), NOW) == monday
    assert recurrence.allows(monday) and not recurrence.allows(NOW)


def test_it_ends() -> None:
    ended = seven_seconds(end_date=date(2026, 11, 24), end_time=time(15, 0, 5))
    assert ended.next_after_start(NOW, NOW + timedelta(seconds=1)) is None
    assert ended.allows(NOW) and not ended.allows(NOW + timedelta(seconds=6))
    assert seven_seconds(max_events=3).next_after_start(None, NOW) is None


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("every_unit", {"every_unit": "fortnightly"}),
        ("every", {"every": 0}),
        ("every", {"every": 10**10}),
        ("every", {"every": 1.5}),
        ("weekdays", {"weekdays": ("Monday",)}),
        ("weekdays", {"weekdays": ("monday", "monday")}),
        ("positions", {"positions": "1"}),
        ("positions", {"every_unit": "per_weekday", "positions": "1"}),
        ("positions", {"every_unit": "weekly", "positions": "0"}),
        ("positions", {"every_unit": "weekly", "positions": "8"}),
        ("positions", {"every_unit": "monthly", "positions": "1 x"}),
        ("positions", {"every_unit": "monthly", "positions": "1,2"}),
        ("positions", {"every_unit": "monthly", "positions": "²"}),
        ("positions", {"every_unit": "monthly", "positions": "-"}),
        ("positions", {"every_unit": "weekly", "positions": "6", "weekdays": WORKDAYS}),
        (
            "positions",
            {"every_unit": "monthly", "every": 12, "start_date": date(2026, 2, 1), "positions": "30"},
        ),
        ("timezone", {"timezone": "Europe/Bruxelles"}),
        ("timezone", {"timezone": ""}),
        ("timezone", {"timezone": "../etc/passwd"}),
        ("end_date", {"end_date": date(2025, 12, 31)}),
        ("end_date", {"every_unit": "weekly", "weekdays": ("monday",), "end_date": date(2026, 1, 2)}),
        ("end_time", {"end_time": time(4)}),
        ("end_time", {"end_date": date(2027, 1, 1), "end_time": time(4, 0, 0, 1)}),
        ("start_time", {"start_time": time(4, tzinfo=UTC)}),
        ("start_date", {"start_date": date(2200, 1, 1)}),
        ("weekdays", {"every_unit": "hourly", "every": 168, "weekdays": ("monday",)}),
        ("max_events", {"max_events": 0}),
    ],
)
def test_the_impossible_is_refused_by_field(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(RecurrenceError) as caught:
        RecurrenceSet(**{"every_unit": "daily", "start_date": date(2026, 1, 1), **fields})
    assert caught.value.field == field
    assert str(caught.value) == f"{field}: {caught.value.reason}"
