"""A site and a rule become exactly this text; and nothing in a rule becomes a directive."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from linod_systemd.rules.rule import Rule
from linod_systemd.sites.config import Site
from linod_systemd.units import compute_timers, render

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SITE = Site(
    name="shop",
    user="shop",
    settings="shop.settings",
    python="/opt/linod/bin/python",
    directory="/srv/shop",
    state_directory=Path("/var/lib/linod/shop"),
    log_directory=Path("/var/log/linod/shop"),
)
RULE = Rule(name="check data", procedure="checkdata", start_date=date(2026, 1, 31), start_time=time(4))


def units(rule: Rule = RULE, *, per_user: bool = False) -> dict[str, str]:
    timing = compute_timers.timing(rule.recurrence("Europe/Brussels"), NOW)
    client = "/opt/linod/ask.py"
    return render.job_units(SITE, rule, timing, known={"check data"}, per_user=per_user, client=client)


@pytest.mark.parametrize("kind", ["timer", "service"])
def test_golden(kind: str) -> None:
    text = units()[f"linod-shop-check\\x20data.{kind}"]
    assert text == (HERE / f"golden.{kind}").read_text()


def test_site_that_is_not_preloaded_has_cold_jobs() -> None:
    cold = dataclasses.replace(SITE, preload=False)
    timing = compute_timers.timing(RULE.recurrence("UTC"), NOW)
    text = render.job_units(cold, RULE, timing, known=(), per_user=False, client="/opt/linod/ask.py")
    service = text["linod-shop-check\\x20data.service"]
    command = '"/opt/linod/bin/python" -m linod_systemd.run --site shop --here -- "check data"'
    assert f"\nExecStart=:{command}\n" in service
    assert f'supervisor.socket "check data" {command}\n' in units()["linod-shop-check\\x20data.service"]
    assert "Delegate" not in service


def test_rule_that_is_never_due_has_no_timer() -> None:
    names = units(Rule(name="x", every_unit="never", start_date=date(2026, 1, 1)))
    assert list(names) == ["linod-shop-x.service"]


def test_run_after_is_systemds_ordering() -> None:
    rule = Rule(name="x", start_date=date(2026, 1, 1), run_after=("check data",))
    assert "After=linod-shop-check\\x20data.service\n" in units(rule)["linod-shop-x.service"]


def test_nobody_waits_for_a_rule_that_is_not_there() -> None:
    rule = Rule(name="x", start_date=date(2026, 1, 1), run_after=("check data", "nowhere"))
    assert "nowhere" not in units(rule)["linod-shop-x.service"]


def test_user_units_name_no_user() -> None:
    text = units(per_user=True)["linod-shop-check\\x20data.service"]
    assert "User=" not in text
    assert "StateDirectory=" not in text


@pytest.mark.parametrize("name", ["100%n", "$HOME", 'a"b', "a\\", "a;b", "a]b", "日本", "#x", "a='b'"])
def test_hostile_name_adds_no_line(name: str) -> None:
    harmless = units(Rule(name="x", start_date=date(2026, 1, 1)))["linod-shop-x.service"]
    rule = Rule(name=name, start_date=date(2026, 1, 1))
    service = next(text for unit, text in units(rule).items() if unit.endswith(".service"))
    assert len(service.splitlines()) == len(harmless.splitlines())
    keys = [line.partition("=")[0] for line in service.splitlines()]
    assert keys == [line.partition("=")[0] for line in harmless.splitlines()]


def test_filters() -> None:
    assert render.word('a"b\\c%d') == '"a\\"b\\\\c%%d"'
    assert render.text("a\nb%") == "a b%%"
    assert render.plain("100%") == "100%%"
    for bad in ("a\nb", "a\\", " a"):
        with pytest.raises(ValueError, match="cannot stand in a unit"):
            render.plain(bad)
    with pytest.raises(ValueError, match="no absolute path"):
        render.path("a/b")


def test_mark_says_whose_a_file_is() -> None:
    assert render.owner(render.mark("shop")) == "shop"
    assert render.owner(render.mark(None)) == ""
    assert render.owner("[Unit]") is None
