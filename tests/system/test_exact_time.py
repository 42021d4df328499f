"""Timers elapse when docs/recurrence.md says, and at no other time: as PID 1 sees it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from tests.support.in_machine import active_timers, failed_units, jobs, show, switch_off
from tests.support.machine import Machine

KINDS: dict[str, dict[str, Any]] = {
    "once": {"every_unit": "once", "start_date": "2031-05-06", "start_time": "07:08:09"},
    "seconds": {"every_unit": "secondly", "every": 3600 * 6},
    "minutes": {"every_unit": "minutely", "every": 15, "start_time": "00:07:00"},
    "hours": {"every_unit": "hourly", "every": 8, "saturday": True, "sunday": True},
    "days": {"every_unit": "daily", "start_time": "02:30:00"},
    "third_days": {"every_unit": "daily", "every": 3},
    "week": {"every_unit": "weekly", "saturday": True, "start_time": "04:00:00"},
    "second_week": {"every_unit": "weekly", "every": 2, "saturday": True, "timezone": "America/New_York"},
    "per_weekday": {"every_unit": "per_weekday", "monday": True, "friday": True},
    "month_end": {"every_unit": "monthly", "start_date": "2026-01-31"},
    "last_working_day": {
        **{"every_unit": "monthly", "positions": "-1", "monday": True, "tuesday": True},
        **{"wednesday": True, "thursday": True, "friday": True},
    },
    "leap_day": {"every_unit": "yearly", "start_date": "2024-02-29"},
    "easter_monday": {"every_unit": "easter", "start_date": "2026-04-06"},
    "ends_soon": {"every_unit": "daily", "every": 2, "max_events": 400, "timezone": "Pacific/Apia"},
    "howe": {"every_unit": "daily", "start_time": "02:15:00", "timezone": "Australia/Lord_Howe"},
    "late": {"every_unit": "daily", "jitter": 3000, "start_time": "23:45:00"},
}


def shell(machine: Machine, script: str, site: str = "default") -> str:
    return machine.run("linod", "--site", site, "manage", "shell", "-c", script).stdout


def make_rules(machine: Machine) -> None:
    rows = {name: {"start_date": "2026-01-01", **fields} for name, fields in KINDS.items()}
    shell(
        machine,
        "from linod_systemd.models import JobRule\n"
        f"for name, fields in {rows!r}.items():\n"
        "    rule = JobRule(name=name, procedure='clear_seen_messages', **fields)\n"
        "    rule.full_clean(); rule.save()\n",
    )


def next_elapse(machine: Machine, timer: str) -> str:
    """When PID 1 will start it, as ``linod next`` writes it."""
    shown = machine.run(
        *("systemctl", "show", "--timestamp=us+utc", "--value"),
        *("--property=NextElapseUSecRealtime", f"linod-{timer}.timer"),
    ).stdout.split()
    if len(shown) != 4:
        return ""
    return datetime.fromisoformat(f"{shown[1]} {shown[2]}").replace(tzinfo=UTC).isoformat()


def agree(machine: Machine, rule: str) -> bool:
    """Asked again, as an instant may come between the two questions."""
    return next_elapse(machine, rule) == machine.run("linod", "next", rule).stdout.strip()


def test_next_elapse_of_each_kind_is_what_linod_next_prints(machine: Machine) -> None:
    begin = datetime.now(UTC)
    make_rules(machine)
    names = {f"linod-{name}" for name in KINDS}
    machine.poll(lambda: names <= active_timers(machine), 60, "the timers")
    for name in KINDS:
        machine.poll(partial(agree, machine, name), 5, f"{name} to elapse when linod next says")
    every = "from linod_systemd.store import rule_store; "
    every += f"[rule_store.current().{{}}(name) for name in {list(KINDS)}]"
    shell(machine, every.format("cancel").replace("(name)", "(name, 'person')"))
    machine.poll(lambda: not names & active_timers(machine), 60, "their end")
    shell(machine, every.format("enable"))
    machine.poll(lambda: names <= active_timers(machine), 60, "the timers")
    for job in jobs(machine):  # the quarter of an hour may have come in the meantime
        assert job["rule"] not in KINDS or str(job["scheduled_for"]) > begin.isoformat()
    assert failed_units(machine) == []


@pytest.mark.long
def test_fifty_reloads_cause_no_extra_start_and_lose_none(shop: Machine) -> None:
    shell(
        shop,
        "from linod_systemd.models import JobRule\n"
        "JobRule.objects.create(name='sevens', procedure='warns', every_unit='secondly', every=7)",
        "shop",
    )
    shop.poll(lambda: jobs(shop, "sevens", "shop"), 30, "the first of every seven seconds")
    shop.sh("for turn in {1..50}; do systemctl daemon-reload; sleep 0.7; done", timeout=600)
    ticks = [job for job in jobs(shop, "ticks", "shop") if job["status"] != "running"]
    assert {job["trigger"] for job in ticks} == {"timer"}
    due = sorted(datetime.fromisoformat(str(job["scheduled_for"])).timestamp() for job in ticks)
    assert len(set(due)) == len(due) >= 3
    assert {instant % 10 for instant in due} == {0}
    assert sum(map(occurrences, ticks)) == (due[-1] - due[0]) / 10 + 1
    sevens = jobs(shop, "sevens", "shop")
    assert len(sevens) >= 4
    assert min(gaps(sevens, "scheduled_for")) >= 7, sevens
    before = len(sevens)
    shop.sh("systemctl restart linod-shop-sevens.timer")
    shop.poll(lambda: len(jobs(shop, "sevens", "shop")) >= before + 2, 30, "its going on")


def occurrences(job: dict[str, Any]) -> int:
    """How many instants a row stands for: on a busy machine a run may take until the next one is due."""
    found = re.match("(\\d+) runs, due from", job["reason"]) if job["status"] == "skipped" else None
    return int(found[1]) if found else 1


def gaps(found: list[dict[str, Any]], moment: str) -> set[float]:
    """Seconds from one job to the next."""
    instants = [datetime.fromisoformat(str(job[moment])) for job in found]
    return {(later - earlier).total_seconds() for later, earlier in pairwise(instants)}


@pytest.mark.long
def test_a_rule_runs_after_those_that_it_names(shop: Machine) -> None:
    shell(
        shop,
        "from linod_systemd.models import JobRule\n"
        "rules = JobRule.objects.filter(name__startswith='goes_')\n"
        "rules.update(every_unit='secondly', every=10)",
        "shop",
    )

    def pairs() -> list[tuple[dict[str, Any], dict[str, Any]]]:
        first = {job["scheduled_for"]: job for job in jobs(shop, "goes_first", "shop") if job["end_datetime"]}
        second = [job for job in jobs(shop, "goes_second", "shop") if job["status"] == "success"]
        return [(first[job["scheduled_for"]], job) for job in second if job["scheduled_for"] in first]

    shop.poll(lambda: len(pairs()) >= 3, 90, "three runs of both")
    for first, second in pairs():
        assert first["status"] == "success"
        assert second["start_datetime"] >= first["end_datetime"]


@pytest.mark.long
def test_what_came_while_the_rule_was_running_is_a_skipped_row(shop: Machine) -> None:
    shell(
        shop,
        "from linod_systemd.models import JobRule\n"
        "JobRule.objects.filter(name='takes_fifteen_seconds').update(every_unit='secondly', every=10)",
        "shop",
    )

    def skipped() -> list[dict[str, Any]]:
        command = (
            "linod",
            "--site",
            "shop",
            "jobs",
            "takes_fifteen_seconds",
            "--status",
            "skipped",
            "--json",
        )
        found: list[dict[str, Any]] = json.loads(shop.run(*command).stdout)
        return found

    def while_running() -> list[str]:
        return [job["reason"] for job in skipped() if "still running" in job["reason"]]

    reason = shop.poll(while_running, 120, "the skipped row")[0]
    number = int(reason.partition("job #")[2].split()[0])
    shown = json.loads(shop.run("linod", "--site", "shop", "show", str(number), "--json").stdout)
    assert (shown["rule"], shown["status"]) == ("takes_fifteen_seconds", "success")
    assert failed_units(shop) == []


@pytest.mark.long
def test_what_came_while_the_machine_was_off_is_a_skipped_row(machine: Machine) -> None:
    machine.power_off()
    script = (
        "import sqlite3; db = sqlite3.connect('var/lib/linod/default/db.sqlite3'); db.execute("
        "\"UPDATE linod_systemd_jobrule SET live_since = datetime('now', '-1 hour')"
        " WHERE name = 'event_notification_scheduler'\"); db.execute("
        "\"DELETE FROM linod_systemd_job WHERE rule_name = 'event_notification_scheduler'\"); db.commit()"
    )
    machine.workshop.sh(f'cd {machine.root} && python3 -c "{script.replace(chr(34), chr(92) + chr(34))}"')
    machine.boot()
    found = machine.poll(lambda: jobs(machine, "event_notification_scheduler"), 30, "the row")
    assert found[-1]["status"] == "skipped"
    assert "the host was off" in found[-1]["reason"]


@pytest.mark.long
def test_a_list_that_ran_out_is_made_anew_without_the_supervisor(machine: Machine) -> None:
    switch_off(machine, "linod-supervisor@default.service")
    switch_off(machine, "linod-generate@default.path")
    shell(
        machine,
        "from linod_systemd.models import JobRule\n"
        "JobRule.objects.create(name='thirds', procedure='checkdata', every=3, start_date='2020-01-01')",
    )
    machine.sh("linod-generate-units && systemctl daemon-reload")
    machine.poll(lambda: "linod-thirds" in active_timers(machine), 20, "the timer")
    script = """
from datetime import UTC, datetime
from pathlib import Path
from linod_systemd.sites import config
from linod_systemd.units import compute_timers, read_as_user, render
site = config.find_site("default")
rules = read_as_user.read_rules(site)
rule = rules.get("thirds")
timing = compute_timers.timing(rules.recurrence(rule), datetime(2022, 1, 1, tzinfo=UTC))
units = render.job_units(site, rule, timing, known=(), per_user=False)
Path("/etc/systemd/system/linod-thirds.timer").write_text(units["linod-thirds.timer"])
"""
    machine.run("/opt/linod/bin/python", "-c", script)
    machine.sh("systemctl daemon-reload && systemctl restart linod-thirds.timer")
    assert show(machine, "linod-thirds.timer", "SubState") == "elapsed"
    assert show(machine, "linod@default.timer", "ActiveState") == "active"
    assert show(machine, "linod@default.timer", "NextElapseUSecRealtime") != ""
    machine.sh("systemctl start linod-generate@default.service")
    machine.poll(lambda: agree(machine, "thirds"), 20, "the timer to elapse when linod next says")
    assert failed_units(machine) == []


@pytest.mark.long
def test_seven_seconds_outlast_reloads_a_restart_and_a_power_cut(shop: Machine) -> None:
    shell(
        shop,
        "from linod_systemd.models import JobRule\n"
        "JobRule.objects.create(name='sevens', procedure='warns', every_unit='secondly', every=7)",
        "shop",
    )
    timer = "linod-shop-sevens.timer"

    def starts() -> list[float]:
        found = (str(job["start_datetime"]) for job in jobs(shop, "sevens", "shop"))
        return sorted(datetime.fromisoformat(start).timestamp() for start in found)

    def has_next() -> bool:
        return show(shop, timer, "NextElapseUSecMonotonic") not in ("", "0", "infinity")

    shop.poll(lambda: len(starts()) >= 2, 40, "two starts")
    assert min(later - earlier for earlier, later in pairwise(starts())) > 6.5
    for number in range(5):  # within one period
        change = f"JobRule.objects.filter(name='warns').update(timeout={100 + number})"
        shell(shop, f"from linod_systemd.models import JobRule; {change}", "shop")
        shop.sh("linod-generate-units && systemctl daemon-reload")
        assert has_next()
    before = len(starts())
    shop.poll(lambda: len(starts()) >= before + 2, 40, "its going on")
    assert min(later - earlier for earlier, later in pairwise(starts())) > 6.5, "none because of a reload"
    shop.sh(f"systemctl restart {timer}")
    assert has_next()
    shop.sh("sync")
    shop.pull_the_plug()
    shop.boot()
    booted = shop.sh("date +%s")
    shop.poll(lambda: [start for start in starts() if start > float(booted)], 40, "a start after the boot")
    assert has_next()
