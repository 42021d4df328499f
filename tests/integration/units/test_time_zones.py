"""Zones that python knows and systemd does not."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from linod_systemd.rules.rule import Rule, RuleSet
from linod_systemd.systemd import time_zones
from linod_systemd.units import compute_timers, verified
from tests.unit.units.test_render import SITE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The host's data, without what Debian 13 has in tzdata-legacy."""
    place = tmp_path / "zoneinfo"
    shutil.copytree("/usr/share/zoneinfo", place, symlinks=True)
    shutil.rmtree(place / "US", ignore_errors=True)
    monkeypatch.setattr(time_zones, "DATA", place)
    time_zones._present_name.cache_clear()
    return place


@pytest.mark.parametrize("zone", ["UTC", "Europe/Brussels", "America/New_York"])
def test_a_zone_of_the_host(data: Path, zone: str) -> None:
    assert time_zones.trouble(zone) == ""


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        (
            "US/Eastern",
            "systemd has no time zone US/Eastern on this host: use America/New_York, or apt install",
        ),
        ("right/Europe/Brussels", "use Europe/Brussels"),
    ],
)
def test_a_zone_that_python_alone_has_is_refused_by_name(data: Path, zone: str, told: str) -> None:
    assert told in time_zones.trouble(zone)
    rule = Rule(name="east", procedure="x", start_date=date(2026, 1, 1), start_time=time(9), timezone=zone)
    other = Rule(name="other", procedure="x", start_date=date(2026, 1, 1), start_time=time(9))
    rules = RuleSet("shop", "Europe/Brussels", (rule, other))
    found = compute_timers.of_rules(SITE, rules, {}, NOW)
    assert list(found.timings) == ["other"]
    assert "'east'" in str(found.refused[0]) and told in str(found.refused[0])


def test_units_are_verified_again_once_the_zones_have_changed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINOD_ROOT", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert not verified.holds("shop", tmp_path)
    verified.note("shop", tmp_path)
    assert verified.holds("shop", tmp_path) and not verified.holds("club", tmp_path)
    shutil.rmtree(data / "Europe")
    assert not verified.holds("shop", tmp_path)
