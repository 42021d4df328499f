"""A rule that cannot be computed, or not in time, is refused by name; the others go on."""

from __future__ import annotations

import dataclasses
import time
from datetime import UTC, date, datetime, timedelta

import pytest

from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.rules.rule import Rule, RuleSet
from linod_systemd.units import compute_timers, wanted
from linod_systemd.units.oncalendar import timer
from tests.unit.units.test_render import SITE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RULES = tuple(Rule(name=name, start_date=date(2026, 1, 31)) for name in ("a", "b", "c"))


def of(*rules: Rule) -> compute_timers.Computed:
    return compute_timers.of_rules(SITE, RuleSet("shop", "UTC", rules), {}, NOW)


def test_one_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(recurrence: RecurrenceSet, now: datetime) -> list[str]:
        while recurrence.every == 7:
            pass
        return ["OnCalendar=*-*-* 00:00:00 UTC"]

    monkeypatch.setattr(timer, "timer_lines", slow)
    monkeypatch.setattr(compute_timers, "RULE_SECONDS", 0.05)
    found = of(RULES[0], dataclasses.replace(RULES[1], every=7), RULES[2])
    assert set(found.timings) == {"a", "c"}
    assert [error.message for error in found.refused] == ["rule 'b' takes too long to compute"]


def test_one_that_raises_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(recurrence: RecurrenceSet, now: datetime) -> list[str]:
        raise OverflowError("date value out of range")

    monkeypatch.setattr(timer, "timer_lines", breaks)
    found = of(*RULES)
    assert not found.timings
    assert found.refused[0].message == "rule 'a' cannot be computed (date value out of range)"


def test_the_time_of_a_site_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute_timers, "SITE_SECONDS", -1.0)
    assert len(of(*RULES).refused) == 3


def test_a_list_stays_while_half_of_it_lies_ahead() -> None:
    thirds = RecurrenceSet(every_unit="daily", every=3, start_date=date(2026, 1, 1))
    first = compute_timers.timing(thirds, NOW)
    text = f"# Reckoned from {NOW.isoformat()}.\n" + "\n".join(first.lines) + "\n"
    assert compute_timers.timing(thirds, NOW + timedelta(days=100), text) == first
    later = compute_timers.timing(thirds, NOW + timedelta(days=300), text)
    assert later.relisted and later.now > NOW and later.lines != first.lines


def test_budgets_refuse_by_name() -> None:
    few = dataclasses.replace(SITE, rules_max=2)
    units = wanted.of_site(few, of(*RULES), now=NOW, generator="/x", client=None, per_user=False)
    assert [rule.name for rule in units.of_rules] == ["a", "b"]
    assert "rule 'c': it is one more than the 2 of the site" in units.refused[0].message
    odd = dataclasses.replace(RULES[0], name="odd", every_unit="secondly", every=61)
    short = dataclasses.replace(SITE, unit_lines_max=100)
    units = wanted.of_site(short, of(odd, *RULES), now=NOW, generator="/x", client=None, per_user=False)
    assert [rule.name for rule in units.of_rules] == ["a", "b", "c"]
    assert "rule 'odd': with it, the timers of the site have more than 100 lines" in units.refused[0].message


def test_many_chained_rules_are_quick() -> None:
    """Each waits for the one before it: what was quadratic took minutes."""
    chain = [
        Rule(name=f"r{number}", start_date=date(2026, 1, 31), jitter=9, run_after=(f"r{number - 1}",))
        for number in range(1, 2000)
    ]
    rules = RuleSet("shop", "UTC", (Rule(name="r0", start_date=date(2026, 1, 31), jitter=9), *chain))
    began = time.process_time()
    delays = [rules.recurrence(rule).delay for rule in rules.rules]
    assert delays == sorted(delays) and delays[-1] > 0
    assert time.process_time() - began < 60
