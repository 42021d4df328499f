"""What will run when, all rules on one page."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from linod_systemd.common import argument_types
from linod_systemd.recurrence import agenda
from linod_systemd.recurrence.agenda import Entry
from linod_systemd.recurrence.recurrence_set import RecurrenceSet

NOW = datetime(2027, 3, 26, 12, tzinfo=UTC)
BRUSSELS = ZoneInfo("Europe/Brussels")


def entry(name: str, **fields: object) -> Entry:
    values = {"every_unit": "daily", "start_date": date(2026, 1, 1), "timezone": "Europe/Brussels", **fields}
    return Entry(name, RecurrenceSet(**values), "a sentence")  # type: ignore[arg-type]


def test_each_date_has_its_runs_on_the_wall_clock() -> None:
    found = agenda.of(
        [entry("backup", start_time=time(2, 30))], *agenda.week(date(2027, 3, 26)), BRUSSELS, NOW
    )
    assert [f"{day} {at:%H:%M %Z}" for day, runs in found.days.items() for at, _ in runs] == [
        "2027-03-27 02:30 CET",
        "2027-03-28 03:30 CEST",  # summer time begins
        *(f"2027-{day} 02:30 CEST" for day in ("03-29", "03-30", "03-31", "04-01")),
    ]
    assert found.days[date(2027, 3, 26)] == [], "02:30 has passed"


def test_what_runs_often_is_told_once() -> None:
    often = [entry("hourly", every_unit="hourly"), entry("odd", every_unit="secondly", every=7)]
    rare = [entry("six", every_unit="hourly", every=6), entry("never", every_unit="never")]
    found = agenda.of([*often, *rare], *agenda.week(date(2027, 3, 26)), BRUSSELS, NOW)
    assert found.often == often
    assert {name for runs in found.days.values() for _, name in runs} == {"six"}


def test_three_in_one_hour_are_a_crowd_and_two_are_none() -> None:
    at = [entry(name, start_time=time(4, minute)) for name, minute in (("a", 0), ("b", 30), ("c", 59))]
    assert not agenda.of(at[:2], *agenda.week(NOW.date()), BRUSSELS, NOW).crowded
    crowded = agenda.of(at, *agenda.week(NOW.date()), BRUSSELS, NOW).crowded
    assert {f"{hour:%H:%M}" for hour in crowded} == {"04:00"} and len(crowded) == 6
    assert set(map(tuple, crowded.values())) == {("a", "b", "c")}


def test_a_pause_leaves_out_what_lies_in_it() -> None:
    until = datetime(2027, 3, 30, tzinfo=UTC)
    paused = Entry("a", entry("a", start_time=time(4)).recurrence, "", [(NOW, until)])
    found = agenda.of([paused], *agenda.week(NOW.date()), BRUSSELS, NOW)
    assert [day.day for day, runs in found.days.items() if runs] == [30, 31, 1]


def test_a_month() -> None:
    assert argument_types.month("2028-02") == (date(2028, 2, 1), date(2028, 2, 29))
    for text in ("2028-13", "2028", "x"):
        with pytest.raises(argparse.ArgumentTypeError):
            argument_types.month(text)
