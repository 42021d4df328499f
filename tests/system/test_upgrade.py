"""An installation of the version before the rooms comes over to this one, while its jobs run."""

from __future__ import annotations

import base64
import json
import subprocess
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.in_machine import active_timers, add_shop, add_shops_code, failed_units, jobs, rules, show
from tests.support.machine import CHECKOUT, SOURCE, Machine, Workshop

BEFORE = "7c551adba867f0a5a516091f8388625887ff201a"  # the last commit whose modules lie in one folder
SUPERVISOR = "linod-supervisor@shop"
DROP_IN = "/etc/systemd/system/linod-shop-warns.service.d/nice.conf"
# An end that waits for the database, as that version wrote it.
SPOOLED = {
    "kind": "end",
    "rule": "warns",
    "monitored": {
        "MONITOR_INVOCATION_ID": "c" * 32,
        "MONITOR_SERVICE_RESULT": "signal",
        "MONITOR_EXIT_CODE": "killed",
        "MONITOR_EXIT_STATUS": "KILL",
    },
    "message": "its last words",
    "ended": "2026-11-30T04:00:00+00:00",
}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_rows_units_drop_ins_jobs_and_supervisor_come_over(workshop: Workshop, base: Path) -> None:
    before = subprocess.run(["git", "archive", BEFORE], cwd=CHECKOUT, check=True, capture_output=True)
    packed = base64.b64encode(before.stdout).decode()
    with Machine(workshop, base) as machine:
        machine.run("sh", "-c", "mkdir /root/before && base64 -d | tar -x -C /root/before", input=packed)
        machine.sh("cd /root/before && ./install.sh", timeout=580)
        add_shops_code(machine)
        add_shop(machine)
        machine.sh("linod-run --site shop warns; linod --site shop cancel fails")
        machine.sh("linod --site shop pause eats --for 2h")
        machine.write(DROP_IN, "[Service]\nNice=7\n")
        machine.sh("systemctl daemon-reload")
        machine.poll(lambda: len(ended(machine, "ticks")) > 1, 40, "two runs by a timer")
        rows = {job["id"]: job for job in jobs(machine, site="shop") if job["status"] != "running"}
        said = machine.run("linod", "--site", "shop", "status", "--json", check=False).stdout
        known = {rule["name"]: rule for rule in json.loads(said)}  # of that version, a list
        processes = show(machine, SUPERVISOR, "MainPID")
        machine.sh("systemctl start --no-block linod-shop-is_busy_for_a_minute")
        machine.poll(lambda: jobs(machine, "is_busy_for_a_minute", "shop"), 20, "a job that runs on")
        write_spooled(machine)

        machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)

        assert "linod_systemd/cli" in machine.sh(
            "ls -d /opt/linod/lib/python3*/site-packages/linod_systemd/*"
        )
        after = {job["id"]: job for job in jobs(machine, site="shop")}
        # A newer version may tell more of each.
        assert {number: {key: after[number][key] for key in row} for number, row in rows.items()} == rows
        now = rules(machine, "shop")
        kept = ("cancelled", "cancelled_by", "paused_until")
        assert {n: [now[n][k] for k in kept] for n in now} == {n: [known[n][k] for k in kept] for n in known}
        assert (known["fails"]["cancelled_by"], bool(known["eats"]["paused_until"])) == ("person", True)
        assert machine.run("systemctl", "show", "-P", "Nice", "linod-shop-warns").stdout == "7\n"
        assert show(machine, SUPERVISOR, "ActiveState") == "active"
        assert show(machine, SUPERVISOR, "MainPID") != processes
        assert "0 added, 0 changed, 0 removed" in machine.sh("linod-generate-units")
        assert "linod-shop-ticks" in active_timers(machine)
        machine.poll(lambda: ended(machine, "is_busy_for_a_minute"), 90, "the job that ran on")
        (job,) = jobs(machine, "is_busy_for_a_minute", "shop")
        assert (job["status"], job["reason"]) == ("success", "")
        machine.poll(lambda: len(jobs(machine, "warns", "shop")) == 2, 40, "the end that waited")
        lost = next(job for job in jobs(machine, "warns", "shop") if job["invocation_id"] == "c" * 32)
        assert (lost["status"], lost["reason"]) == ("killed", "it did not begin: killed by SIGKILL")
        assert_each_slot_once(machine)
        machine.sh("linod-run --site shop warns")
        assert failed_units(machine) == []


def ended(machine: Machine, rule: str) -> list[object]:
    return [job for job in jobs(machine, rule, "shop") if job["status"] == "success"]


def write_spooled(machine: Machine) -> None:
    folder = "/var/lib/linod/shop/spool"
    machine.sh(f"install -d -o shop -m 750 {folder}")
    name = f"{int(datetime(2026, 11, 30, 4).timestamp() * 1e6):020d}-{'c' * 32}-end.json"
    machine.write(f"{folder}/{name}", json.dumps(SPOOLED))
    machine.sh(f"chown shop {folder}/{name}")


def assert_each_slot_once(machine: Machine) -> None:
    """Every tenth second since the first run by the timer has one run, the time of the upgrade among them."""
    found = sorted(job["scheduled_for"] for job in jobs(machine, "ticks", "shop") if job["scheduled_for"])
    slots = [datetime.fromisoformat(slot).timestamp() for slot in found]
    assert len(slots) > 4
    assert [later - earlier for earlier, later in zip(slots, slots[1:], strict=False)] == [10] * (
        len(slots) - 1
    )
    assert {job["status"] for job in jobs(machine, "ticks", "shop")} <= {"success", "running"}
