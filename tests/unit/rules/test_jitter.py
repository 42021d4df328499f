"""The delay of a rule by its jitter: stable, spread, and never before those it runs after."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

import pytest

from linod_systemd.common import host
from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.rules import jitter, rules_file
from linod_systemd.rules.rule import Rule, RuleSet
from linod_systemd.units.oncalendar.timer import horizon_end, timer_lines

NOW = datetime(2026, 11, 24, 15, 3, tzinfo=UTC)


def rule(name: str, **fields: Any) -> Rule:
    return Rule(name=name, start_date=date(2026, 1, 1), **fields)


def lines(delay: int, **fields: Any) -> list[str]:
    recurrence = RecurrenceSet(start_date=date(2026, 1, 1), delay=delay, **fields)
    return [line.removeprefix("OnCalendar=") for line in timer_lines(recurrence, NOW)]


def test_an_offset_is_the_same_each_time_and_differs_by_site_rule_and_host() -> None:
    assert jitter.offset("shop", "mail", "alpha", 3600) == 2179
    others = [("blog", "mail", "alpha"), ("shop", "tidy", "alpha"), ("shop", "mail", "beta")]
    assert 2179 not in {jitter.offset(*key, 3600) for key in others}


def test_offsets_fill_the_jitter_and_do_not_exceed_it() -> None:
    found = {jitter.offset("shop", f"rule{number}", "alpha", 9) for number in range(200)}
    assert found == set(range(10))
    assert jitter.offset("shop", "mail", "alpha", 0) == 0


def test_a_rule_is_not_moved_before_those_it_runs_after() -> None:
    rules = RuleSet(
        "shop",
        "UTC",
        (
            rule("first", jitter=3600),
            rule("second", run_after=("first",)),
            rule("third", run_after=("second", "gone"), jitter=86400),
            rule("alone"),
        ),
    )
    delays = {one.name: rules.recurrence(one).delay for one in rules.rules}
    own = jitter.offset("shop", "first", host.host_name(), 3600)
    assert delays["alone"] == 0
    assert own == delays["first"] == delays["second"] <= delays["third"]


def test_a_circle_ends() -> None:
    rules = {one.name: one for one in (rule("a", run_after=("b",), jitter=60), rule("b", run_after=("a",)))}
    assert len({jitter.delay(one, rules.get, "shop", "host") for one in rules.values()}) == 1


def test_every_answer_is_moved_and_the_end_judges_what_is_not() -> None:
    fields: dict[str, Any] = {"every_unit": "daily", "start_date": date(2026, 11, 20), "start_time": time(23)}
    plain = RecurrenceSet(**fields, end_date=date(2026, 11, 25))
    moved = RecurrenceSet(**fields, end_date=date(2026, 11, 25), delay=7200)
    hours = timedelta(hours=2)
    assert list(moved.occurrences()) == [instant + hours for instant in plain.occurrences()]
    assert moved.anchor == plain.anchor + hours
    assert moved.next_after(NOW) == datetime(2026, 11, 25, 1, tzinfo=UTC)
    assert moved.last_before(NOW) == datetime(2026, 11, 24, 1, tzinfo=UTC)
    assert moved.last_before(moved.anchor - timedelta(seconds=1)) is None
    assert moved.last == datetime(2026, 11, 26, 1, 59, 59, tzinfo=UTC)


def test_a_monotonic_rule_is_delayed_at_its_start_and_at_boot() -> None:
    fields: dict[str, Any] = {"every_unit": "secondly", "every": 7, "weekdays": ("tuesday",)}
    assert lines(90, **fields) == ["OnBootSec=90s", "OnUnitActiveSec=7s"]
    later = RecurrenceSet(start_date=date(2026, 12, 1), delay=90, **fields)
    assert timer_lines(later, NOW)[0] == "OnCalendar=2026-12-01 00:01:30 UTC"
    assert later.next_after_start(None, NOW) == later.anchor
    midnight = datetime(2026, 12, 2, 0, 0, tzinfo=UTC)
    assert later.allows(midnight + timedelta(seconds=89))
    assert not later.allows(midnight + timedelta(seconds=90))


@pytest.mark.parametrize(
    ("fields", "delay", "expected"),
    [
        ({"every_unit": "daily", "start_time": time(4)}, 0, ["*-*-* 04:00:00 UTC"]),
        ({"every_unit": "daily", "start_time": time(4)}, 754, ["*-*-* 04:12:34 UTC"]),
        ({"every_unit": "weekly", "start_time": time(23, 59)}, 120, ["Fri *-*-* 00:01:00 UTC"]),
        ({"every_unit": "monthly", "start_time": time(23, 59)}, 120, ["*-*-02 00:01:00 UTC"]),
        ({"every_unit": "hourly", "every": 8}, 754, ["*-*-* 00/8:12:34 UTC"]),
        (
            {"every_unit": "hourly", "every": 8, "weekdays": ("monday", "tuesday")},
            3600 * 9,
            ["Mon..Tue *-*-* 09,17:00:00 UTC", "Tue..Wed *-*-* 01:00:00 UTC"],
        ),
    ],
)
def test_a_delay_is_in_the_calendar_itself(fields: dict[str, Any], delay: int, expected: list[str]) -> None:
    assert lines(delay, **fields) == expected
    assert horizon_end(RecurrenceSet(start_date=date(2026, 1, 1), delay=delay, **fields), NOW) is None


def test_what_a_delay_carries_into_another_month_is_listed() -> None:
    found = lines(120, every_unit="monthly", positions="-1", start_time=time(23, 59))
    assert found[:2] == ["2026-12-01 00:01:00 UTC", "2027-01..12-01 00:01:00 UTC"]


def test_a_rules_file_and_its_rules_agree() -> None:
    text = rules_file.dump("shop", "UTC", [rule("mail", jitter=3600)])
    rules = rules_file.parse(text)
    recurrence = rules.recurrence(rules.rules[0])
    own = timedelta(seconds=jitter.offset("shop", "mail", host.host_name(), 3600))
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    assert list(islice(recurrence.occurrences(midnight - timedelta(days=1, seconds=1) + own), 2)) == [
        midnight - timedelta(days=1) + own,
        midnight + own,
    ]
