"""The supervisor: what it says, what it mends, and that it is restarted when it hangs."""

from __future__ import annotations

import json

import pytest

from tests.support.in_machine import (
    active_timers,
    await_supervisor,
    ended_job,
    failed_units,
    jobs,
    rules,
    show,
)
from tests.support.machine import Machine

UNIT = "linod-supervisor@default.service"
RELOAD_FAILED = "reload failed, the old code serves on"
SHOPS = "linod-supervisor@shop.service"


def test_status_line(machine: Machine) -> None:
    assert show(machine, UNIT, "StatusText") == "7 rules, 0 cancelled, 0 running, last failure: none"
    assert 'Status: "7 rules, 0 cancelled' in machine.sh(f"systemctl status --no-pager {UNIT}")


def test_hanging_loop_is_restarted_by_the_watchdog(machine: Machine) -> None:
    machine.write(f"/etc/systemd/system/{UNIT}.d/soon.conf", "[Service]\nWatchdogSec=2\nRestartSec=1\n")
    machine.sh(f"systemctl daemon-reload && systemctl restart {UNIT}")
    before = show(machine, UNIT, "MainPID")
    machine.sh(f"kill -STOP {before}")

    def restarted() -> bool:
        pid = show(machine, UNIT, "MainPID")
        return show(machine, UNIT, "ActiveState") == "active" and pid not in ("0", before)

    machine.poll(restarted, 60, "the supervisor to be restarted")
    assert "Watchdog timeout" in machine.sh(f"journalctl --no-pager -u {UNIT}")
    assert failed_units(machine) == []


@pytest.mark.long
def test_rule_changed_by_raw_sql_reaches_the_timers(machine: Machine) -> None:
    script = (
        "from django.db import connection; connection.cursor().execute("
        "\"UPDATE linod_systemd_jobrule SET cancelled=1, cancelled_by='person' WHERE name='checkdata'\")"
    )
    machine.run("linod", "manage", "shell", "-c", script)
    machine.poll(lambda: "linod-checkdata" not in active_timers(machine), 60, "the timer to stop")


@pytest.mark.long
def test_rules_file_removed_behind_its_back_comes_back(machine: Machine) -> None:
    machine.sh("rm /var/lib/linod/default/rules.json")
    text = machine.poll(
        lambda: machine.sh("cat /var/lib/linod/default/rules.json", check=False), 60, "rules.json"
    )
    assert len(json.loads(text)["rules"]) == 7


@pytest.mark.long
def test_reload_loads_new_code(shop: Machine) -> None:
    unit = "linod-supervisor@shop.service"
    shop.sh("cat >> /srv/shop/shop/procedures.py <<'X'\n\n@schedule_often(every=10)\ndef is_new(ar): pass\nX")
    shop.sh(f"systemctl reload {unit}")
    shop.poll(lambda: "linod-shop-is_new" in active_timers(shop), 30, "the new rule's timer")
    assert ended_job(shop, "is_new")["status"] == "success"


@pytest.mark.long  # it waits for pings that are seconds apart
def test_reloads_in_a_row_with_a_broken_one_among_them(shop: Machine) -> None:
    """A successor pings as soon as it is the main process: no watchdog, and the last good code serves.

    The reloads follow each other faster than a supervisor pings, and last together longer than its watchdog.
    """
    code, broken = "/srv/shop/shop/procedures.py", "import no_such_module"
    shop.write(f"/etc/systemd/system/{SHOPS}.d/soon.conf", "[Service]\nWatchdogSec=8\n")
    shop.sh(f"cp {code} /root/good.py && systemctl daemon-reload && systemctl restart {SHOPS}")
    for number in range(1, 7):
        shop.sh(f"systemctl reload {SHOPS}")
        _serves_anew(shop, number)
        if number == 3:
            shop.sh(f"echo '{broken}' >> {code} && systemctl reload {SHOPS}")
            shop.poll(lambda: RELOAD_FAILED in show(shop, SHOPS, "StatusText"), 40, "the status to say so")
            assert "no_such_module" not in show(shop, SHOPS, "StatusText")  # every user of the host reads it
            assert "no_such_module" in shop.sh(f"journalctl -u {SHOPS} -o cat")
            assert show(shop, SHOPS, "ActiveState") == "active"
            shop.sh(f"cat /root/good.py > {code}")
    process = show(shop, SHOPS, "MainPID")
    pings = {show(shop, SHOPS, "WatchdogTimestampMonotonic")}

    def pinged() -> bool:
        pings.add(show(shop, SHOPS, "WatchdogTimestampMonotonic"))
        return len(pings) == 4

    shop.poll(pinged, 60, "three pings of the successor")
    assert (show(shop, SHOPS, "MainPID"), show(shop, SHOPS, "NRestarts")) == (process, "0")
    assert "Watchdog timeout" not in shop.sh(f"journalctl --no-pager -u {SHOPS}")
    shop.run("linod-run", "--site", "shop", "does_nothing")


def _serves_anew(machine: Machine, times: int) -> None:
    said = "site shop: the new code serves"
    machine.poll(
        lambda: machine.sh(f"journalctl --no-pager -o cat -u {SHOPS}").count(said) == times, 40, said
    )


def test_a_reload_leaves_a_rule_cancelled_that_a_failure_cancelled(shop: Machine) -> None:
    shop.run("linod-run", "--site", "shop", "fails", check=False)
    shop.sh(f"systemctl reload {SHOPS}")
    _serves_anew(shop, 1)
    assert rules(shop, "shop")["fails"]["cancelled_by"] == "failure"
    said = shop.sh(f"journalctl --no-pager -o cat -u {SHOPS}")
    assert "fails: still cancelled. Once it is mended, `linod enable fails` brings it back" in said
    told = shop.run("linod", "status", check=False)
    assert (told.returncode, "`linod enable fails` brings it back" in told.stderr) == (1, True)


def test_switched_off_in_the_sites_file_the_rest_goes_on(machine: Machine) -> None:
    machine.sh("echo 'supervisor = false' >> /etc/linod/default.toml")
    machine.sh("linod-generate-units && systemctl daemon-reload")
    machine.poll(lambda: show(machine, UNIT, "ActiveState") == "inactive", 20, "the supervisor to stop")
    machine.run("linod-run", "clear_seen_messages")
    machine.sh("linod cancel checkdata")
    machine.poll(lambda: "linod-checkdata" not in active_timers(machine), 10, "the timer to stop")
    assert [job["warm"] for job in jobs(machine, "clear_seen_messages")] == [False]


def test_failure_cancelled_rules_are_enabled_at_its_start_and_persons_not(shop: Machine) -> None:
    shop.run("linod-run", "--site", "shop", "fails", check=False)
    shop.run("linod", "--site", "shop", "cancel", "warns")
    assert rules(shop, "shop")["fails"]["cancelled_by"] == "failure"
    shop.sh("systemctl restart linod-supervisor@shop")
    after = rules(shop, "shop")
    assert (after["fails"]["cancelled_by"], after["warns"]["cancelled_by"]) == ("", "person")


@pytest.mark.long
def test_killed_supervisor_stops_no_timer(machine: Machine) -> None:
    before = active_timers(machine)
    machine.sh(f"systemctl kill --signal=KILL {UNIT}")
    assert active_timers(machine) == before
    machine.poll(lambda: show(machine, UNIT, "ActiveState") == "active", 40, "the supervisor to be back")


def test_without_preload_nothing_is_kept_loaded(shop: Machine) -> None:
    loaded = _memory(shop)
    shop.sh("echo 'preload = false' >> /etc/linod/shop.toml && linod-generate-units")
    shop.sh(f"systemctl daemon-reload && systemctl restart {SHOPS}")
    await_supervisor(shop, "shop")
    shop.sh("systemctl start linod-shop-does_nothing.service")
    job = ended_job(shop, "does_nothing")
    assert (job["status"], job["warm"]) == ("success", False)
    assert _memory(shop) < loaded / 2
    assert "jobs start cold" in shop.run("linod", "--site", "shop", "status", "-v").stdout


def _memory(machine: Machine) -> int:
    process = show(machine, SHOPS, "MainPID")
    return int(machine.sh(f"grep ^Pss: /proc/{process}/smaps_rollup").split()[1])
