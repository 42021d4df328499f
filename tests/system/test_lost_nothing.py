"""Each way in which a job cannot say its own end leaves one row, with the truth, and the next run free."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.in_machine import (
    STATE,
    active_timers,
    database_comes,
    database_goes,
    job_process,
    jobs,
    rules,
    show,
    switch_off,
)
from tests.support.machine import Machine
from tests.system.test_jobs import start

OWN = "own.conf"  # a drop-in of the test


def latest(machine: Machine, rule: str) -> dict[str, Any]:
    return next(iter(jobs(machine, rule, "shop")), {})


def become(machine: Machine, rule: str, status: str, seconds: float = 60) -> dict[str, Any]:
    """The latest job of a rule, once it has this status."""

    def asked() -> dict[str, Any]:
        job = latest(machine, rule)
        return job if job.get("status") == status else {}

    return machine.poll(asked, seconds, f"a job of {rule} to be {status}")


def begin(machine: Machine, rule: str) -> str:
    """Start a rule's unit; the process id of its job, once that has its row."""
    start(machine, rule)
    become(machine, rule, "running")
    return job_process(machine, f"linod-shop-{rule}.service")


def waiting_records(machine: Machine) -> list[str]:
    return machine.sh(f"ls {STATE}/spool 2>/dev/null", check=False).split()


@pytest.mark.parametrize("signal", ["KILL", pytest.param("SEGV", marks=pytest.mark.long)])
def test_killed_from_outside(shop: Machine, signal: str) -> None:
    pid = begin(shop, "waits")
    shop.sh(f"kill -{signal} {pid}")
    job = become(shop, "waits", "killed")
    assert signal in job["reason"]
    assert "waiting" in job["message"]
    assert len(jobs(shop, "waits", "shop")) == 1
    shop.sh(f"touch {STATE}/go")
    assert shop.run("linod-run", "--site", "shop", "waits").returncode == 0  # nothing blocks the next run


@pytest.mark.long
def test_run_by_hand_that_is_killed_is_lost(shop: Machine) -> None:
    shop.sh("setsid --fork linod-run --site shop --here waits >/dev/null 2>&1")
    become(shop, "waits", "running")
    # A plain Debian has no pgrep; as /proc has it, NULs stand between the words.
    shop.sh("kill -KILL $(grep -lzx linod_systemd[.]run /proc/[0-9]*/cmdline | cut -d/ -f3)")
    job = become(shop, "waits", "lost")
    assert (job["reason"], "waiting" in job["message"]) == ("its process is gone", True)


@pytest.mark.long
def test_a_run_that_dies_before_it_begins_has_a_row(shop: Machine) -> None:
    """The site does not load; so nothing of Django can write its row until it does.

    A warm job would run, from what the supervisor has loaded; systemd refuses it that.
    """
    shop.write("/etc/systemd/system/linod-shop-warns.service.d/cold.conf", "[Service]\nDelegate=no\n")
    shop.sh("systemctl daemon-reload")
    shop.sh(
        "cp /srv/shop/shop/settings.py /srv/shop/kept && echo 'import nowhere' >> /srv/shop/shop/settings.py"
    )
    start(shop, "warns")
    shop.poll(lambda: waiting_records(shop), 60, "its end to be kept")
    shop.sh("mv /srv/shop/kept /srv/shop/shop/settings.py")
    shop.sh("linod-run --site shop goes_second")
    job = latest(shop, "warns")
    assert (job["status"], job["reason"]) == ("failed", "it did not begin: exit code 1")
    assert job["trigger"] == "manual", "its timer had not elapsed right then"
    assert "No module named 'nowhere'" in job["message"]
    assert not rules(shop, "shop")["warns"]["cancelled"]


@pytest.mark.long
@pytest.mark.parametrize("journal", ["stopped", "silent"])
def test_a_start_is_not_lost_while_the_journal_does_not_answer(shop: Machine, journal: str) -> None:
    """A process dies before it begins, what records that dies, too: the journal alone can tell of it."""
    socket, failed = "linod-journal-shop.socket", "linod-failure-shop@warns.service"
    silent, dies = f"linod-journal-shop@.service.d/{OWN}", "[Service]\nExecStart=\nExecStart="
    for unit in ("linod-shop-warns.service", failed):
        shop.write(f"/etc/systemd/system/{unit}.d/{OWN}", f"{dies}/bin/sh -c 'kill -KILL $$$$'\n")
    if journal == "stopped":
        switch_off(shop, socket)
    else:
        shop.write(f"/etc/systemd/system/{silent}", f"{dies}/bin/true\n")
        shop.sh("systemctl daemon-reload")
    start(shop, "warns")
    shop.poll(lambda: show(shop, failed, "Result") == "signal", 30, "what records the end to die")
    time.sleep(11)  # the patience of linod_systemd.jobs.unrecorded_starts, after which a start is looked for
    shop.sh("systemctl restart linod-supervisor@shop")
    supervised = "journalctl --no-pager -u linod-supervisor@shop"
    shop.poll(lambda: "are asked for again" in shop.sh(supervised), 30, "the supervisor to ask in vain")
    assert jobs(shop, "warns", "shop") == []
    shop.sh(f"rm -f /etc/systemd/system/{silent} /etc/systemd/system/{socket}.d/off.conf")
    shop.sh(f"systemctl daemon-reload && systemctl start {socket}")
    job = become(shop, "warns", "killed", 90)  # by the supervisor's next check
    assert job["reason"] == "it did not begin: killed by SIGKILL"
    assert len(jobs(shop, "warns", "shop")) == 1


@pytest.mark.long
def test_out_of_memory(shop: Machine) -> None:
    if "memory" not in shop.sh("cat /sys/fs/cgroup/cgroup.controllers").split():
        pytest.skip("this kernel gives the machine no memory controller")
    shop.write("/etc/systemd/system/linod-shop-eats.service.d/m.conf", "[Service]\nMemoryMax=64M\n")
    shop.sh("systemctl daemon-reload")
    start(shop, "eats")
    assert become(shop, "eats", "killed")["reason"] == "killed: out of memory"


def test_each_attempt_is_a_row_and_the_last_cancels(shop: Machine) -> None:
    start(shop, "fails_thrice")
    shop.poll(
        lambda: rules(shop, "shop")["fails_thrice"]["cancelled_by"] == "failure", 90, "the cancellation"
    )
    rows = jobs(shop, "fails_thrice", "shop")[::-1]
    assert [(row["attempt"], row["trigger"], row["status"]) for row in rows] == [
        (1, "manual", "failed"),
        (2, "retry", "failed"),
        (3, "retry", "failed"),
    ]
    assert [row["message"].splitlines()[0] for row in rows] == ["attempt 1", "attempt 2", "attempt 3"]
    recorded = shop.sh(
        "journalctl -o cat -u linod-failure-shop@fails_thrice | grep -c ^Starting", check=False
    )
    assert int(recorded) <= 1, "one failure, however many attempts"


@pytest.mark.long
def test_a_job_that_died_is_tried_again_too(shop: Machine) -> None:
    start(shop, "dies_once")
    become(shop, "dies_once", "success", 90)
    rows = jobs(shop, "dies_once", "shop")[::-1]
    assert [(row["attempt"], row["trigger"], row["status"]) for row in rows] == [
        (1, "manual", "killed"),
        (2, "retry", "success"),
    ]
    ended, began = rows[0]["end_datetime"], rows[1]["start_datetime"]
    assert datetime.fromisoformat(began) - datetime.fromisoformat(ended) > timedelta(seconds=1.9)
    assert not rules(shop, "shop")["dies_once"]["cancelled"]


@pytest.mark.long
def test_a_rule_may_fail_without_being_cancelled(shop: Machine) -> None:
    start(shop, "may_fail")
    become(shop, "may_fail", "failed")
    assert not rules(shop, "shop")["may_fail"]["cancelled"]


def test_database_away_at_the_start(shop: Machine) -> None:
    shop.sh("systemctl kill --signal=STOP linod-supervisor@shop")  # the next job writes what waits
    database_goes(shop)
    shop.sh("systemctl start linod-shop-warns")
    start(shop, "kills_itself")
    shop.poll(lambda: len(waiting_records(shop)) >= 3, 60, "a row, and one with its end, to be kept")
    database_comes(shop)
    shop.sh("linod-run --site shop warns")
    assert waiting_records(shop) == []
    assert [row["status"] for row in jobs(shop, "warns", "shop")] == ["success", "success"]
    killed = become(shop, "kills_itself", "killed")
    assert (killed["reason"], "last words" in killed["message"]) == ("killed by SIGKILL", True)
    assert rules(shop, "shop")["kills_itself"]["cancelled_by"] == "failure"


def test_database_that_goes_in_the_middle_is_not_the_procedures_fault(shop: Machine) -> None:
    begin(shop, "asks_the_database")
    begin(shop, "waits")
    database_goes(shop)
    shop.sh(f"touch {STATE}/go")
    shop.poll(lambda: len(waiting_records(shop)) >= 2, 60, "the ends to be kept")
    database_comes(shop)
    failed = become(shop, "asks_the_database", "failed")  # the supervisor's check writes them
    assert "the database is away" in failed["reason"]
    assert "rules" in failed["message"]
    assert not rules(shop, "shop")["asks_the_database"]["cancelled"]
    assert become(shop, "waits", "success")["message"] == "waiting"


def test_disk_full(shop: Machine) -> None:
    """The state folder is a small disk of its own, and full before the job's end."""
    shop.sh(
        f"systemctl stop linod.target && cp -a {STATE} /var/tmp/kept &&"
        f"mount -t tmpfs -o size=4m,mode=750,uid=$(id -u shop),gid=$(id -g shop) none {STATE} &&"
        f"cp -a /var/tmp/kept/. {STATE}/ && systemctl start linod.target"
    )
    begin(shop, "waits")
    shop.sh(f"for n in 1 2 3; do cat /dev/zero > {STATE}/full$n; done; touch {STATE}/go", check=False)
    shop.poll(
        lambda: show(shop, "linod-shop-waits.service", "ActiveState") == "inactive", 60, "the job to end"
    )
    shop.sh(f"rm {STATE}/full*")
    assert become(shop, "waits", "success")["message"] == "waiting"
    assert len(jobs(shop, "waits", "shop")) == 1
    assert not rules(shop, "shop")["ticks"]["cancelled"]  # its rows, too, were in memory for a while


@pytest.mark.long
def test_full_or_read_only_unit_directory(shop: Machine) -> None:
    def rules_at(hour: int) -> None:
        rule = {"name": "x", "start_date": "2026-01-01", "start_time": f"{hour:02}:00:00"}
        text = json.dumps({"version": 1, "site": "shop", "timezone": "UTC", "rules": [rule]})
        shop.write("/run/rules.json", text)

    generate = ("linod-generate-units", "--rules", "/run/rules.json", "--output", "/run/small")
    shop.sh("mkdir /run/small && mount -t tmpfs -o size=256k none /run/small")
    rules_at(1)
    shop.run(*generate)
    shop.sh("cat /dev/zero > /run/small/full", check=False)
    whole = shop.sh("cat $(find /run/small -name '*linod*' -type f | sort)")
    rules_at(2)
    for _ in ("full", "read-only"):
        done = shop.run(*generate, check=False)
        assert (done.returncode, "run linod-generate-units again" in done.stderr) == (1, True)
        assert shop.sh("cat $(find /run/small -name '*linod*' -type f | sort)") == whole
        shop.sh("rm -f /run/small/full; mount -o remount,ro /run/small")
    shop.sh("mount -o remount,rw /run/small")
    assert ", 1 changed, 0 removed" in shop.run(*generate).stdout


@pytest.mark.long
def test_killed_generator_is_run_again(shop: Machine) -> None:
    shop.write(
        "/etc/systemd/system/linod-generate@shop.service.d/slow.conf", "[Service]\nExecStartPre=sleep 5\n"
    )
    shop.sh("systemctl daemon-reload")
    shop.run("linod", "--site", "shop", "cancel", "ticks")
    unit = "linod-generate@shop.service"
    shop.poll(lambda: show(shop, unit, "ActiveState") == "activating", 20, "the generator to start")
    shop.sh(f"systemctl kill --signal=KILL {unit}")
    shop.poll(lambda: "linod-shop-ticks" not in active_timers(shop), 60, "the timer to stop")


def test_shutdown_is_told_from_a_stop_and_made_up_for(shop: Machine) -> None:
    begin(shop, "sleeps_yearly")
    begin(shop, "sleeps")
    shop.reboot()
    told = become(shop, "sleeps", "killed")
    assert told["reason"] == "shutdown: the machine was going down"
    again = become(shop, "sleeps_yearly", "success")
    assert (again["trigger"], again["attempt"]) == ("catch_up", 2)  # of the same slot
    before = jobs(shop, "sleeps_yearly", "shop")[1]
    assert (before["status"], before["reason"]) == ("killed", "shutdown: the machine was going down")
    assert len(jobs(shop, "sleeps", "shop")) == 1
    shop.sh("systemctl restart linod-supervisor@shop")
    assert len(jobs(shop, "sleeps_yearly", "shop")) == 2


def test_killed_supervisor_ends_no_job_and_repeats_nothing(shop: Machine) -> None:
    unit = "linod-supervisor@shop.service"
    shop.write(f"/etc/systemd/system/{unit}.d/soon.conf", "[Service]\nRestartSec=100ms\n")
    shop.sh("systemctl daemon-reload")
    pid = begin(shop, "waits")
    timers = active_timers(shop)
    for turn in range(8):
        seen = show(shop, unit, "NRestarts")
        shop.sh(f"sleep 0.{turn}; systemctl kill --signal=KILL {unit}")
        _await_restart(shop, unit, seen)
    shop.poll(lambda: show(shop, unit, "ActiveState") == "active", 60, "the supervisor")
    assert active_timers(shop) == timers
    assert show(shop, "linod-shop-waits.service", "MainPID") == pid
    shop.sh(f"touch {STATE}/go")
    become(shop, "waits", "success")
    assert len(jobs(shop, "waits", "shop")) == 1


def _await_restart(machine: Machine, unit: str, seen: str) -> None:
    machine.poll(lambda: show(machine, unit, "NRestarts") != seen, 60, "it to be started again")


def be_due_daily(machine: Machine, rule: str, seconds: int) -> None:
    """Make a rule due once a day, in so many seconds from now, and live since an hour before."""
    machine.run(
        *("linod", "--site", "shop", "manage", "shell", "-v0", "-c"),
        f"""
from datetime import timedelta
from linod_systemd import clock
from linod_systemd.models import JobRule
due = clock.utc_now().replace(microsecond=0) + timedelta(seconds={seconds})
rules = JobRule.objects.filter(name="{rule}")
start = due.date() - timedelta(days=9)
rules.update(every_unit="daily", every=1, start_date=start, start_time=due.time(), timezone="UTC")
rules.update(live_since=clock.to_database(due - timedelta(hours=1)))
""",
    )


@pytest.mark.long
def test_a_slot_that_found_the_database_away_is_run_once_it_is_back(shop: Machine) -> None:
    """Of the day's run the slot is not used up: the supervisor has it tried again, and nobody is mailed."""
    be_due_daily(shop, "counts_rules", -300)
    database_goes(shop)
    elapsed = datetime.now().astimezone().isoformat()
    shop.run("linod-run", "--site", "shop", "--elapsed", elapsed, "counts_rules", check=False)
    assert waiting_records(shop)
    database_comes(shop)
    job = become(shop, "counts_rules", "success", 120)
    first = jobs(shop, "counts_rules", "shop")[-1]
    assert (first["status"], first["trigger"], first["attempt"]) == ("failed", "catch_up", 1)
    assert first["reason"].startswith("the database is away")
    assert (job["trigger"], job["scheduled_for"]) == ("retry", first["scheduled_for"])
    assert not rules(shop, "shop")["counts_rules"]["cancelled"]


@pytest.mark.long
def test_a_slot_whose_user_is_not_known_yet_is_run_once_it_is(shop: Machine) -> None:
    """As with LDAP at a boot (exit 217): neither the job nor what records its end can be started."""
    be_due_daily(shop, "does_nothing", 40)
    shop.poll(lambda: show(shop, "linod-shop-does_nothing.timer", "ActiveState") == "active", 60, "its timer")
    shop.sh("systemctl stop linod-supervisor@shop; cp /etc/passwd /root/passwd; sed -i /^shop:/d /etc/passwd")
    shop.poll(
        lambda: show(shop, "linod-shop-does_nothing.service", "Result") == "exit-code", 120, "its start"
    )
    assert show(shop, "linod-shop-does_nothing.service", "ExecMainStatus") == "217"
    shop.sh(
        "cp /root/passwd /etc/passwd; systemctl reset-failed 'linod-*'; systemctl start linod-supervisor@shop"
    )
    become(shop, "does_nothing", "success", 120)
    found = jobs(shop, "does_nothing", "shop")[::-1]
    assert [job["reason"] for job in found][:1] == ["it did not begin: exit code 217"], found
    assert {job["scheduled_for"] for job in found} == {found[0]["scheduled_for"]} != {None}
    assert "skipped" not in {job["status"] for job in found}
