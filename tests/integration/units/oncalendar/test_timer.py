"""The lines of a timer: examples."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

import pytest

from linod_systemd.recurrence.periods import INSTANT
from linod_systemd.recurrence.recurrence_set import WEEKDAYS, RecurrenceSet
from linod_systemd.units.oncalendar.timer import horizon_end, timer_lines
from tests.support.elapsing import elapses, needs_systemd

NOW = datetime(2026, 11, 24, 15, 3, tzinfo=UTC)
BRUSSELS = "Europe/Brussels"
WORKDAYS = WEEKDAYS[:5]
DAYS = 400


def recurrence(**fields: Any) -> RecurrenceSet:
    return RecurrenceSet(**{"start_date": date(2026, 1, 1), **fields})


def expressions(**fields: Any) -> list[str]:
    """What the OnCalendar= lines say, seen from NOW."""
    lines = timer_lines(recurrence(**fields), NOW)
    assert all(line.startswith("OnCalendar=") for line in lines)
    return [line.removeprefix("OnCalendar=") for line in lines]


# --- said for ever --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"every_unit": "secondly", "every": 1}, ["*-*-* *:*:* UTC"]),
        ({"every_unit": "secondly", "every": 10}, ["*-*-* *:*:00/10 UTC"]),
        ({"every_unit": "secondly", "every": 300}, ["*-*-* *:00/5:00 UTC"]),
        ({"every_unit": "hourly", "every": 8, "start_time": time(3)}, ["*-*-* 03/8:00:00 UTC"]),
        (
            {"every_unit": "minutely", "every": 15, "weekdays": WORKDAYS, "timezone": "Asia/Kathmandu"},
            ["Mon..Fri *-*-* *:00/15:00 Asia/Kathmandu"],
        ),
        (
            {"every_unit": "daily", "start_time": time(4), "timezone": BRUSSELS},
            ["*-*-* 04:00:00 Europe/Brussels"],
        ),
        ({"every_unit": "daily", "weekdays": ("monday", "saturday")}, ["Mon,Sat *-*-* 00:00:00 UTC"]),
        ({"every_unit": "weekly"}, ["Thu *-*-* 00:00:00 UTC"]),
        ({"every_unit": "daily", "every": 7}, ["Thu *-*-* 00:00:00 UTC"]),
        ({"every_unit": "weekly", "positions": "-1", "weekdays": WORKDAYS}, ["Fri *-*-* 00:00:00 UTC"]),
        ({"every_unit": "monthly"}, ["*-*-01 00:00:00 UTC"]),
        ({"every_unit": "monthly", "start_date": date(2026, 1, 31)}, ["*-*~01 00:00:00 UTC"]),
        (
            {"every_unit": "monthly", "start_date": date(2026, 1, 30)},
            ["*-01,03..12-30 00:00:00 UTC", "*-02~01 00:00:00 UTC"],
        ),
        (
            {"every_unit": "monthly", "positions": "1", "weekdays": ("monday",)},
            ["Mon *-*-01..07 00:00:00 UTC"],
        ),
        (
            {"every_unit": "monthly", "positions": "-1", "weekdays": ("monday",)},
            ["Mon *-*~01..07 00:00:00 UTC"],
        ),
        (
            {"every_unit": "monthly", "weekdays": WORKDAYS},
            ["Mon *-*-01..03 00:00:00 UTC", "Tue..Fri *-*-01 00:00:00 UTC"],
        ),
        ({"every_unit": "monthly", "every": 3}, ["*-01,04,07,10-01 00:00:00 UTC"]),
        ({"every_unit": "monthly", "every": 24}, ["2026/2-01-01 00:00:00 UTC"]),
        ({"every_unit": "yearly", "start_date": date(2024, 2, 29)}, ["*-02~01 00:00:00 UTC"]),
        ({"every_unit": "yearly", "every": 2}, ["2026/2-01-01 00:00:00 UTC"]),
        ({"every_unit": "yearly", "positions": "-1"}, ["*-12-31 00:00:00 UTC"]),
    ],
)
def test_what_systemd_has_words_for_is_said_for_ever(fields: dict[str, Any], expected: list[str]) -> None:
    assert expressions(**fields) == expected
    assert horizon_end(recurrence(**fields), NOW) is None


def test_a_time_that_summer_time_swallows_stands_beside_and_is_computed_anew() -> None:
    fields: dict[str, Any] = {"every_unit": "daily", "start_time": time(2, 30), "timezone": BRUSSELS}
    assert expressions(**fields) == [
        "*-*-* 02:30:00 Europe/Brussels",
        "2027-03-28 03:30:00 Europe/Brussels",
    ]
    assert horizon_end(recurrence(**fields), NOW) == NOW + timedelta(days=DAYS)


def test_a_start_to_come_before_which_the_words_would_elapse_is_listed() -> None:
    assert expressions(every_unit="daily", start_date=date(2026, 11, 25)) == ["*-*-* 00:00:00 UTC"]
    assert expressions(every_unit="daily", start_date=date(2026, 11, 26))[0] == "2026-11-26..30 00:00:00 UTC"


# --- listed ---------------------------------------------------------------------------------


def test_what_systemd_has_no_words_for_is_listed_by_dates() -> None:
    fields: dict[str, Any] = {"every_unit": "weekly", "every": 2, "timezone": BRUSSELS, "start_time": time(4)}
    assert expressions(**fields)[:2] == [
        "2026-12-03,17,31 04:00:00 Europe/Brussels",
        "2027-01-14,28 04:00:00 Europe/Brussels",
    ]
    end = horizon_end(recurrence(**fields), NOW)
    assert end is not None and end > NOW + timedelta(days=DAYS)


def test_an_end_within_reach_is_listed_and_the_lines_hold_for_ever() -> None:
    fields: dict[str, Any] = {"every_unit": "daily", "end_date": date(2026, 12, 3)}
    assert expressions(**fields) == ["2026-11-25..30 00:00:00 UTC", "2026-12-01..03 00:00:00 UTC"]
    assert horizon_end(recurrence(**fields), NOW) is None


def test_an_end_far_off_is_said_by_years_and_the_last_is_listed() -> None:
    fields: dict[str, Any] = {"every_unit": "daily", "end_date": date(2040, 2, 3)}
    assert expressions(**fields) == [
        "2026..2039-*-* 00:00:00 UTC",
        "2040-01-01..31 00:00:00 UTC",
        "2040-02-01..03 00:00:00 UTC",
    ]
    assert horizon_end(recurrence(**fields), NOW) is None
    fields |= {"every_unit": "hourly", "end_time": time(2)}
    assert expressions(**fields) == [
        "2026..2039-*-* *:00:00 UTC",
        "2040-01-* *:00:00 UTC",
        "2040-02-01..02 *:00:00 UTC",
        "2040-02-03 00..02:00:00 UTC",
    ]
    assert horizon_end(recurrence(**fields), NOW) is None


def test_ticked_weekdays_of_a_zone_with_summer_time_are_listed_in_utc() -> None:
    found = expressions(every_unit="secondly", every=10, weekdays=("monday",), timezone=BRUSSELS)
    assert found[0] == "2026-11-29 23:*:00/10 UTC"
    assert "2026-11-30 00..22:*:00/10 UTC" in found
    assert len(found) < 40


@pytest.mark.parametrize(
    "fields",
    [
        {"every_unit": "never"},
        {"every_unit": "once"},
        {"every_unit": "daily", "end_date": date(2026, 11, 1)},
        {"every_unit": "secondly", "every": 10, "max_events": 3},
        {"every_unit": "minutely", "every": 7, "max_events": 3},
        {"every_unit": "yearly", "every": 10, "end_date": date(2030, 1, 1)},
    ],
)
def test_what_is_never_due_again_has_no_lines(fields: dict[str, Any]) -> None:
    assert timer_lines(recurrence(**fields), NOW) == []
    assert horizon_end(recurrence(**fields), NOW) is None


def test_a_period_that_divides_no_day_is_listed_an_hour_to_a_line() -> None:
    seven = recurrence(every_unit="minutely", every=7)
    lines, until = timer_lines(seven, NOW), horizon_end(seven, NOW)
    assert until is not None and until - NOW > timedelta(days=30)
    assert len(lines) <= 800
    assert all(
        re.fullmatch(r"OnCalendar=([A-Za-z,.]+ )?[0-9,.*-]+ [0-9,/.]+:[0-9,/.]+:00 UTC", line)
        for line in lines
    )
    # Of hours that are seven apart, the minutes are the same.
    assert sum("2026-11-24" in line for line in lines) == 7


def test_an_instant_to_a_line_is_listed_for_a_day() -> None:
    odd = recurrence(every_unit="secondly", every=61)
    lines, until = timer_lines(odd, NOW), horizon_end(odd, NOW)
    assert until is not None and until == list(islice(odd.occurrences(NOW), 1501))[-1] - INSTANT
    assert until - NOW > timedelta(days=1) and len(lines) <= 1500


# --- counted from the previous start --------------------------------------------------------


def test_seconds_that_divide_no_day_count_from_the_previous_start() -> None:
    seven = recurrence(every_unit="secondly", every=7)
    assert timer_lines(seven, NOW) == ["OnBootSec=0", "OnUnitActiveSec=7s"]
    assert horizon_end(seven, NOW) is None


def test_its_start_to_come_is_a_date_and_no_boot_comes_before_it() -> None:
    seven = recurrence(every_unit="secondly", every=7, start_date=date(2027, 7, 1), timezone=BRUSSELS)
    assert timer_lines(seven, NOW) == ["OnCalendar=2027-06-30 22:00:00 UTC", "OnUnitActiveSec=7s"]
    assert horizon_end(seven, NOW) == seven.anchor


def test_its_lines_hold_until_its_end() -> None:
    seven = recurrence(every_unit="secondly", every=7, end_date=date(2026, 12, 24))
    assert timer_lines(seven, NOW) == ["OnBootSec=0", "OnUnitActiveSec=7s"]
    assert horizon_end(seven, NOW) == datetime(2026, 12, 24, 23, 59, 59, tzinfo=UTC)


# --- as systemd elapses ---------------------------------------------------------------------


@needs_systemd
@pytest.mark.parametrize(
    ("now", "fields"),
    [
        # Between the two times that the clock shows 01:45, systemd would take the second.
        (
            datetime(2027, 4, 3, 15, 0, tzinfo=UTC),
            {"every_unit": "daily", "start_time": time(1, 45), "timezone": "Australia/Lord_Howe"},
        ),
        (
            datetime(2027, 4, 27, tzinfo=UTC),
            {"every_unit": "daily", "start_time": time(0, 30), "timezone": "Africa/Cairo"},
        ),
        (
            datetime(2011, 12, 26, tzinfo=UTC),
            {"every_unit": "weekly", "start_date": date(2011, 12, 2), "timezone": "Pacific/Apia"},
        ),
        (NOW, {"every_unit": "secondly", "every": 27, "weekdays": WORKDAYS, "timezone": "Asia/Kathmandu"}),
        (NOW, {"every_unit": "secondly", "every": 675}),
        (NOW, {"every_unit": "easter", "start_date": date(2026, 4, 3), "timezone": "Africa/Casablanca"}),
        (NOW, {"every_unit": "monthly", "every": 5, "start_date": date(2025, 3, 29)}),
        (NOW, {"every_unit": "monthly", "positions": "22 -3", "weekdays": WORKDAYS}),
        (NOW, {"every_unit": "yearly", "positions": "40 -200", "weekdays": WORKDAYS}),
        # Refused by systemd: ~29 and more, and ~01,26.
        (NOW, {"every_unit": "monthly", "positions": "-5", "weekdays": ("monday",)}),
        (NOW, {"every_unit": "monthly", "positions": "-1 -26"}),
        # The first of March, but in leap years another day.
        (NOW, {"every_unit": "yearly", "positions": "60"}),
        (NOW, {"every_unit": "yearly", "positions": "-307"}),
    ],
)
def test_systemd_elapses_when_it_is_due(now: datetime, fields: dict[str, Any]) -> None:
    wanted = recurrence(**fields)
    found = elapses(timer_lines(wanted, now), now, 40)[:40]
    assert found == [instant for instant, _ in zip(wanted.occurrences(now), found, strict=False)]
    assert len(found) >= 12
