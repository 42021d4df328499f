"""rules.json: what is written is read back, and what is wrong is named."""

from __future__ import annotations

import json
from datetime import date, time
from typing import Any

import pytest

from linod_systemd.rules import rules_file
from linod_systemd.rules.rule import Rule
from linod_systemd.rules.rules_file import RulesFileError

GOOD: dict[str, Any] = {"name": "checkdata", "procedure": "checkdata", "start_date": "2026-01-31"}


def document(*rules: Any, **values: Any) -> str:
    return json.dumps({"version": 1, "site": "default", "timezone": "UTC", "rules": list(rules), **values})


def test_what_is_written_is_read_back() -> None:
    rule = Rule(
        name="weekly – report",
        procedure="report",
        every_unit="weekly",
        every=2,
        start_date=date(2026, 1, 31),
        start_time=time(4),
        end_date=date(2027, 12, 31),
        weekdays=("monday", "friday"),
        timezone="Europe/Brussels",
        jitter=5,
        catch_up=False,
        run_after=("checkdata",),
    )
    read = rules_file.parse(rules_file.dump("shop", "UTC", [rule]))
    assert read.refused == ()
    assert (read.site, read.timezone, read.rules) == ("shop", "UTC", (rule,))


def test_absent_keys_take_the_defaults() -> None:
    rule = rules_file.parse(document(GOOD)).rules[0]
    assert (rule.every_unit, rule.every, rule.timeout, rule.log_level) == ("daily", 1, 7200, "INFO")
    assert rule.makes_up is True
    assert rules_file.parse(document({**GOOD, "every_unit": "secondly"})).rules[0].makes_up is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (document(GOOD)[:-20], "no JSON"),
        ("[]", "no JSON object"),
        (document(GOOD, version=2), "version 2, not 1"),
        (document(GOOD, version=True), "version True, not 1"),
        (document(GOOD, colour="red"), "unknown key 'colour'"),
        (document(GOOD, timezone="Mars/Olympus"), "Mars/Olympus"),
        (document(GOOD, rules={}), "must be a list"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_unusable_file_says_what_and_what_to_do(text: str, said: str) -> None:
    with pytest.raises(RulesFileError) as caught:
        rules_file.parse(text, "rules.json")
    assert said in caught.value.message
    assert caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"name": ""}, "impossible name"),
        ({"name": "../."}, "impossible name"),
        ({"name": "a\nb"}, "control characters"),
        ({"name": "a\0b"}, "control characters"),
        ({"name": "é" * 100}, "too long"),
        ({"name": 7}, "name is 7"),
        ({"log_level": "LOUD"}, "log_level is 'LOUD'"),
        ({"timeout": 0}, "timeout is 0"),
        ({"timeout": "long"}, "timeout is 'long'"),
        ({"timeout": True}, "timeout is True"),
        ({"every": 0}, "every"),
        ({"every": 1.5}, "every is 1.5"),
        ({"every_unit": "fortnightly"}, "every_unit"),
        ({"start_date": "2026-02-30"}, "start_date is '2026-02-30'"),
        ({"start_time": "25:00"}, "start_time is '25:00'"),
        ({"end_date": "2025-01-01"}, "end_date"),
        ({"positions": "1"}, "positions"),
        ({"weekdays": ["someday"]}, "someday"),
        ({"weekdays": "monday"}, "weekdays is 'monday'"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"run_after": ["checkdata"], "name": "checkdata"}, "runs after itself"),
        ({"cancelled": "no"}, "cancelled is 'no'"),
        ({"jitter": 90000}, "jitter is 90000"),
    ],
)
def test_bad_rule_is_refused_by_name_and_the_others_stand(values: dict[str, Any], said: str) -> None:
    read = rules_file.parse(document({**GOOD, **values}, {**GOOD, "name": "good"}))
    assert [rule.name for rule in read.rules] == ["good"]
    assert len(read.refused) == 1
    assert said in read.refused[0].message
    assert read.refused[0].remedy


def test_two_of_one_name() -> None:
    read = rules_file.parse(document(GOOD, GOOD))
    assert len(read.rules) == 1
    assert "stands twice" in read.refused[0].message
