"""Times that other schedulers got wrong, as their users told: `next` and the timer have the right ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import pytest

from linod_systemd.rules import rules_file
from linod_systemd.rules.rule import RuleSet
from linod_systemd.units.oncalendar.timer import timer_lines
from tests.support.elapsing import elapses, needs_systemd

CASES = json.loads((Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))
ASKED = [
    pytest.param(case, question, id=f"{case['id']}-{question['rule']}")
    for case in CASES
    for question in case["next"]
]


def rules_of(case: dict[str, Any]) -> RuleSet:
    document = {"version": 1, "site": "default", "timezone": "UTC", "rules": case["rules"]}
    return rules_file.parse(json.dumps(document))


@needs_systemd
@pytest.mark.parametrize(("case", "question"), ASKED)
def test_next_and_the_timer_are_right(case: dict[str, Any], question: dict[str, Any]) -> None:
    rules = rules_of(case)
    rule = rules.get(question["rule"])
    assert rule is not None and rules.refused == ()
    recurrence = rules.recurrence(rule)
    begin = datetime.fromisoformat(question["from"]).astimezone(UTC)
    expected = [datetime.fromisoformat(text) for text in case["instants"][question["rule"]]]
    assert list(islice(recurrence.occurrences(begin), question["n"])) == expected
    until = begin + timedelta(days=400)
    due = list(islice(takewhile(lambda instant: instant <= until, recurrence.occurrences(begin)), 100))
    elapsed = elapses(timer_lines(recurrence, begin), begin, len(due), recurrence.timezone)
    assert [instant for instant in elapsed if instant <= due[-1]] == due


START = {"start_date": "2027-01-01"}
IMPOSSIBLE = [
    {
        "name": "ninth",
        "every_unit": "monthly",
        "start_date": "2027-01-01",
        "positions": "9",
        "weekdays": ["monday"],
    },
    {"name": "day400", "every_unit": "yearly", "start_date": "2027-01-01", "positions": "400"},
    {"name": "huge", "every_unit": "daily", "every": 10**12, "start_date": "2027-01-01"},
]
FAR_AWAY = [
    {"name": "millennium", "every_unit": "yearly", "every": 1000, "start_date": "2026-12-01"},
    {"name": "old", "every_unit": "daily", "start_date": "1583-10-15", "start_time": "04:00:00"},
]


def test_what_is_never_due_is_refused_and_what_is_far_away_is_not() -> None:
    rules = rules_of({"rules": IMPOSSIBLE + FAR_AWAY})
    assert [rule.name for rule in rules.rules] == ["millennium", "old"]
    assert len(rules.refused) == 3
    now = datetime(2026, 11, 1, tzinfo=UTC)
    millennium, old = (rules.recurrence(rule) for rule in rules.rules)
    assert [instant.year for instant in islice(millennium.occurrences(now), 2)] == [2026, 3026]
    assert timer_lines(millennium, now) == ["OnCalendar=2026-12-01 00:00:00 UTC"]
    assert timer_lines(millennium, datetime(2027, 1, 1, tzinfo=UTC)) == []
    assert timer_lines(old, now) == ["OnCalendar=*-*-* 04:00:00 UTC"]
    assert old.next_after(datetime(9999, 12, 31, 22, tzinfo=UTC)) is None
