"""However a job ends, its row says so, and its rule is treated as it deserves."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from typing import Any

import pytest

from tests.support.in_machine import (
    STATE,
    active_timers,
    ended_job,
    ensure_package,
    failed_units,
    jobs,
    rotate_log,
    rules,
    show,
    switch_off,
)
from tests.support.machine import Machine, MachineError


def start(machine: Machine, rule: str) -> None:
    """Start the unit of a rule of the shop, as its timer would."""
    unit = machine.run("systemd-escape", rule).stdout.strip()
    machine.sh(f"systemctl start --no-block 'linod-shop-{unit}.service'")


BAD_ENDS: list[tuple[str, str, str, int | None, str]] = [
    ("fails", "failed", "ValueError: no such shelf", 1, "before the failure"),
    ("kills_itself", "killed", "killed by SIGKILL", None, "last words"),
    ("leaves", "failed", "exit code 7", 7, "going"),
    ("leaves_well", "failed", "exit code 0, without coming to its end", 0, "nobody will know"),
    ("dumps_core", "killed", "SIGABRT", None, ""),
    ("takes_too_long", "timeout", "longer than the rule's timeout", None, "this takes a while"),
]


@pytest.mark.parametrize(("rule", "status", "reason", "exit_code", "message"), BAD_ENDS)
def test_bad_end_is_recorded_and_cancels_the_rule(
    shop: Machine, rule: str, status: str, reason: str, exit_code: int | None, message: str
) -> None:
    start(shop, rule)
    job = shop.poll(lambda: _ended_as(shop, rule, status), 30, f"a job of {rule} to end as {status}")
    assert reason in job["reason"]
    assert job["exit_code"] == exit_code
    assert message in job["message"]
    assert job["end_datetime"] is not None
    assert len(jobs(shop, rule, "shop")) == 1
    cancelled = shop.poll(lambda: rules(shop, "shop")[rule]["cancelled_by"], 10, "the rule to be cancelled")
    assert cancelled == "failure"


def _ended_as(machine: Machine, rule: str, status: str) -> dict[str, Any]:
    latest = next(iter(jobs(machine, rule, "shop")), {})
    return latest if latest.get("status") == status else {}


@pytest.mark.long
def test_failed_rules_timer_is_gone(shop: Machine) -> None:
    script = (
        "from linod_systemd.models import JobRule;"
        "JobRule.objects.filter(name='ticks').update(procedure='fails')"
    )
    assert "linod-shop-ticks" in active_timers(shop)
    shop.run("linod", "--site", "shop", "manage", "shell", "-c", script)
    shop.poll(lambda: _ended_as(shop, "ticks", "failed"), 30, "the timer to start the job that fails")
    shop.poll(lambda: "linod-shop-ticks" not in active_timers(shop), 10, "its timer to stop")
    job = next(iter(jobs(shop, "ticks", "shop")))
    assert "Traceback" in job["message"]
    assert 'raise ValueError("no such shelf")' in job["message"]


def test_warning_is_a_success_with_a_reason(shop: Machine) -> None:
    start(shop, "warns")
    job = ended_job(shop, "warns")
    assert (job["status"], job["reason"], job["exit_code"]) == ("success", "the shop is closed", 0)
    assert not rules(shop, "shop")["warns"]["cancelled"]
    assert failed_units(shop) == []


def test_print_reaches_the_journal_under_its_unit(shop: Machine) -> None:
    ended_job(shop, "ticks")
    lines = shop.sh("journalctl -o json -u linod-shop-ticks.service _TRANSPORT=stdout").splitlines()
    assert "a plain print" in [json.loads(line)["MESSAGE"] for line in lines]


@pytest.mark.parametrize("locale", ["", pytest.param("C", marks=pytest.mark.long)])
def test_odd_bytes_do_no_harm_and_forge_nothing(shop: Machine, locale: str) -> None:
    if locale:
        without = f"[Service]\nUnsetEnvironment=LANG\nEnvironment=LC_ALL={locale}\n"
        shop.write("/etc/systemd/system/linod-shop-says_odd_things.service.d/locale.conf", without)
        shop.sh("systemctl daemon-reload")
    done = shop.run("linod-run", "--site", "shop", "says_odd_things")
    assert "Grüße ✓" in done.stdout
    job = next(iter(jobs(shop, "says_odd_things", "shop")))
    assert job["status"] == "success"
    assert "nul \\x00 end" in job["message"] and "half \\udc80 a pair" in job["message"]
    entries = shop.sh(f"journalctl -o json _SYSTEMD_INVOCATION_ID={job['invocation_id']}").splitlines()
    records = [entry for entry in map(json.loads, entries) if "LINOD_JOB" in entry]
    assert len(records) == 7
    assert {(entry["LINOD_SITE"], entry["LINOD_JOB"]) for entry in records} == {("shop", str(job["id"]))}
    lines = shop.read("/var/log/linod/shop/lino.log").splitlines()
    assert [line for line in lines if line.endswith("CRITICAL [linod.job 1] : forged")][0].startswith("    ")
    shown = shop.run("linod", "--site", "shop", "show", str(job["id"])).stdout
    assert "\x1b" not in shown and "\\x1b[31mred" in shown
    assert "Grüße ✓" in shown and "��" in shown, "what was printed stands beside it"


@pytest.mark.long
@pytest.mark.parametrize("name", ["50%n of %h", '$HOME; "q" \\ \'', "-x", "@y", "!z", "a/b", "é🎉"])
def test_signs_that_systemd_reads_are_a_name_to_us(shop: Machine, name: str) -> None:
    create = f"JobRule.objects.create(name={name!r}, procedure='says_this_and_that', every_unit='never')"
    script = f"from linod_systemd.models import JobRule; {create}"
    shop.run("linod", "--site", "shop", "manage", "shell", "-v0", "-c", script)
    escaped = shop.run("systemd-escape", "--", name).stdout.strip() if "/" not in name else r"a\x2fb"
    unit = f"linod-shop-{escaped}.service"
    shop.poll(lambda: show(shop, unit, "LoadState") == "loaded", 20, "its unit")
    assert show(shop, unit, "Description") == f"Job of the rule “{name}” of site shop"
    shop.run("systemctl", "start", unit)
    assert [(job["rule"], job["status"]) for job in jobs(shop, name, "shop")] == [(name, "success")]
    assert shop.run("linod-run", "--site", "shop", "--", name).stdout == "printed ✓\n"


@pytest.mark.long
def test_flood_is_kept_in_bounds(shop: Machine) -> None:
    """200,000 lines of 100 bytes, and one of 5 MB."""
    start(shop, "floods")
    job = ended_job(shop, "floods", seconds=100)
    assert job["status"] == "success"
    assert job["message"].startswith("line 0 xxx") and job["message"].endswith("yyy the end")
    assert "characters cut here" in job["message"] and len(job["message"]) < 65_000
    assert job["memory_peak"] is None or job["memory_peak"] < 64 * 2**20
    assert int(shop.sh("grep -c ': line ' /var/log/linod/shop/lino.log")) == 200_000
    assert int(shop.sh("wc --max-line-length < /var/log/linod/shop/lino.log")) > 5_000_000
    assert "characters cut here" in shop.run("linod", "--site", "shop", "show", str(job["id"])).stdout
    assert shop.run("linod-run", "--site", "shop", "warns").returncode == 0
    assert "the shop is closed" in shop.sh("journalctl -u linod-shop-warns.service")


def test_a_rule_runs_once_at_a_time(shop: Machine) -> None:
    start(shop, "sleeps")
    shop.poll(
        lambda: [job for job in jobs(shop, "sleeps", "shop") if job["status"] == "running"], 20, "the job"
    )
    for here in ((), ("--here",)):
        second = shop.run("linod-run", "--site", "shop", *here, "sleeps", check=False)
        assert second.returncode == 75
        assert "'sleeps' is already running since 20" in second.stderr
    assert re.search(r"since 20\d\d-.* \(job #\d+, trigger manual, on ", second.stderr)
    third = shop.run("linod", "--site", "shop", "run", "sleeps", check=False)
    assert third.returncode == 75
    assert len(jobs(shop, "sleeps", "shop")) == 1


def test_stopped_job_is_killed_and_its_rule_stays(shop: Machine) -> None:
    start(shop, "sleeps")
    shop.poll(lambda: jobs(shop, "sleeps", "shop"), 20, "the job")
    shop.sh("systemctl stop linod-shop-sleeps.service")
    job = ended_job(shop, "sleeps")
    assert (job["status"], job["reason"]) == ("killed", "terminated by SIGTERM")
    assert not rules(shop, "shop")["sleeps"]["cancelled"]


@pytest.mark.parametrize("how", ["stop", pytest.param("shutdown", marks=pytest.mark.long)])
def test_a_job_that_asks_comes_to_an_end_by_itself(shop: Machine, how: str) -> None:
    unit = "linod-shop-comes_to_an_end.service"
    shop.sh(f"systemctl start --no-block {unit}")
    shop.poll(lambda: "working" in shop.sh(f"journalctl -o cat -u {unit}"), 20, "the job to work")
    if how == "stop":
        shop.sh(f"systemctl stop {unit}")
    else:
        shop.reboot()
    job = ended_job(shop, "comes_to_an_end")
    reason = "terminated by SIGTERM" if how == "stop" else "shutdown: the machine was going down"
    assert (job["status"], job["reason"]) == ("killed", reason)
    assert job["message"].endswith("tidied up")
    assert not rules(shop, "shop")["comes_to_an_end"]["cancelled"]


@pytest.mark.parametrize("how", ["warm", pytest.param("cold", marks=pytest.mark.long)])
def test_what_a_job_leaves_behind_ends_with_it_and_is_named(shop: Machine, how: str) -> None:
    if how == "cold":
        switch_off(shop, "linod-supervisor@shop.service")
    shop.sh("systemctl start linod-shop-leaves_a_child.service")
    job = ended_job(shop, "leaves_a_child")
    assert (job["status"], job["reason"]) == ("success", "left behind, and ended with it: sleep")
    assert job["warm"] is (how == "warm")
    shop.poll(lambda: show(shop, "linod-shop-leaves_a_child", "ActiveState") == "inactive", 10, "its end")
    assert "sleep\n" not in shop.sh("cat /proc/[0-9]*/comm", check=False)
    warned = "journalctl -p warning -o cat -u linod-shop-leaves_a_child"
    assert "leaves sleep behind" in shop.sh(warned)


def test_power_cut_leaves_a_lost_job(shop: Machine) -> None:
    start(shop, "sleeps")
    shop.poll(lambda: jobs(shop, "sleeps", "shop"), 20, "the job")
    shop.pull_the_plug()
    shop.boot()
    job = shop.poll(lambda: _ended_as(shop, "sleeps", "lost"), 30, "the job to be given up")
    assert job["reason"] == "the machine went down"
    assert shop.run("linod-run", "--site", "shop", "warns").returncode == 0


@pytest.mark.long
def test_after_a_power_cut_the_same_rule_runs_before_the_supervisor_is_up(shop: Machine) -> None:
    switch_off(shop, "linod-supervisor@shop.service")
    start(shop, "waits")
    shop.poll(lambda: jobs(shop, "waits", "shop"), 20, "the job")
    shop.pull_the_plug()
    shop.boot()
    shop.sh("touch /var/lib/linod/shop/go")
    assert shop.run("linod-run", "--site", "shop", "waits").returncode == 0, "not already running"
    found = {job["status"]: job["reason"] for job in jobs(shop, "waits", "shop")}
    assert found == {"lost": "the machine went down", "success": ""}


def test_by_hand_as_root_runs_as_the_sites_user(shop: Machine) -> None:
    done = shop.run("linod-run", "--site", "shop", "--here", "warns")
    assert "the shop is closed" in done.stderr
    assert shop.sh("stat -c %U /var/lib/linod/shop/db.sqlite3 /var/log/linod/shop/lino.log") == "shop\nshop\n"
    job = next(iter(jobs(shop, "warns", "shop")))
    assert (job["trigger"], job["status"], job["invocation_id"]) == ("manual", "success", "")
    assert shop.run("linod-run", "--site", "shop", "--here", "fails", check=False).returncode == 1


def test_by_hand_as_root_runs_in_the_unit(shop: Machine) -> None:
    done = shop.run("linod-run", "--site", "shop", "says_this_and_that", check=False)
    assert (done.returncode, done.stdout) == (0, "printed ✓\n")
    assert "logged" in done.stderr and "ended: success" in done.stderr
    job = next(iter(jobs(shop, "says_this_and_that", "shop")))
    assert (job["trigger"], job["status"], job["scheduled_for"]) == ("manual", "success", None)
    said = shop.sh(f"journalctl -o cat _SYSTEMD_INVOCATION_ID={job['invocation_id']}")
    assert "printed ✓" in said and "logged" in said
    for rule, code in (("fails", 1), ("leaves", 7), ("kills_itself", 128 + 9), ("nothing_of_it", 2)):
        done = shop.run("linod-run", "--site", "shop", rule, check=False)
        assert done.returncode == code, done.stderr
    assert "did you mean" in shop.run("linod-run", "--site", "shop", "fail", check=False).stderr


def test_ctrl_c_stops_the_unit(shop: Machine) -> None:
    typed = subprocess.Popen(shop.command("linod-run", "--site", "shop", "sleeps"), stderr=subprocess.PIPE)
    shop.poll(lambda: jobs(shop, "sleeps", "shop"), 20, "the job")
    line = r"linod-run\0--site\0shop\0sleeps"
    shop.sh(f"kill -INT $(basename $(dirname $(grep -lPa '{line}' /proc/[0-9]*/cmdline | head -n 1)))")
    assert typed.wait(20) == 128 + signal.SIGINT
    assert typed.stderr is not None and b"stopped" in typed.stderr.read()
    assert show(shop, "linod-shop-sleeps.service", "ActiveState") in ("inactive", "failed")
    assert ended_job(shop, "sleeps")["status"] == "killed"
    assert not rules(shop, "shop")["sleeps"]["cancelled"]


def test_another_user_is_told_what_to_do(shop: Machine) -> None:
    shop.sh("mv /root/default.toml /etc/linod/")
    done = shop.run("linod-run", "--site", "default", "checkdata", user="shop", check=False)
    assert done.returncode == 1
    assert "belongs to the user linod, this is shop" in done.stderr
    done = shop.run("linod-generate-units", "--output", "/etc/systemd/system", user="shop", check=False)
    assert done.returncode == 1
    assert "/etc/systemd/system" in done.stderr


@pytest.mark.long  # nothing was told within 20 s, once in a landing, and not in eight further runs
def test_without_a_database_a_person_is_told_what_to_do_and_a_job_runs_all_the_same(shop: Machine) -> None:
    switch_off(shop, "linod-supervisor@shop.service")
    shop.sh("rm /var/lib/linod/shop/db.sqlite3*")
    done = shop.run("linod-run", "--site", "shop", "warns", check=False)
    assert done.returncode == 0
    assert "the shop is closed" in done.stderr
    assert "db.sqlite3 does not exist" in done.stderr
    assert "linod --site shop manage migrate" in done.stderr
    needs_it = "linod-shop-send_pending_emails_often.service"
    shop.run("systemctl", "start", needs_it, check=False)
    try:
        shop.poll(
            lambda: "database is away" in shop.sh(f"journalctl -u {needs_it}"), 20, "its end to be told"
        )
    except MachineError as error:
        said = shop.sh("journalctl --no-pager -n 100; ls -la /var/lib/linod/shop", check=False)
        raise MachineError(f"{error}\n{said}") from error
    assert "db.sqlite3" not in shop.sh("ls /var/lib/linod/shop"), "no empty one is made in its place"


def test_deaf_job_is_killed_with_all_its_children(shop: Machine) -> None:
    """Also those that are daemons by then; and none of another job, forked from the same process."""
    shop.write("/etc/systemd/system/linod-shop-is_deaf.service.d/soon.conf", "[Service]\nTimeoutStopSec=1\n")
    shop.sh("systemctl daemon-reload")
    start(shop, "waits")
    start(shop, "is_deaf")
    job = shop.poll(lambda: _ended_as(shop, "is_deaf", "timeout"), 30, "the deaf job to be killed")
    assert (job["exit_code"], job["warm"]) == (None, True)
    assert show(shop, "linod-shop-is_deaf.service", "MainPID") == "0"
    born = shop.sh(f"cat {STATE}/grandchildren").split()
    assert born and shop.sh(f"ls -d {' '.join(f'/proc/{pid}' for pid in born)}", check=False) == ""
    shop.sh(f"touch {STATE}/go")
    assert ended_job(shop, "waits")["status"] == "success"


@pytest.mark.long
def test_timer_that_meets_a_running_job_leaves_a_skipped_row(shop: Machine) -> None:
    """The claim of ``ticks`` is held by hand while its timer elapses."""
    hold = (
        "from linod_systemd.jobs import running\n"
        "from linod_systemd.sites import config\n"
        "import time\n"
        "while running.is_locked(config.find_site('shop'), 'ticks'): time.sleep(0.1)\n"
        "with running.lock_held(config.find_site('shop'), 'ticks'): time.sleep(15)\n"
    )
    shop.run("/opt/linod/bin/python", "-c", hold, user="shop")
    skipped = [job for job in jobs(shop, "ticks", "shop") if "already running" in job["reason"]]
    assert [(job["status"], job["trigger"]) for job in skipped[:1]] == [("skipped", "timer")]
    assert failed_units(shop) == []
    assert not rules(shop, "shop")["ticks"]["cancelled"]


@pytest.mark.long
def test_logrotate_rotates_each_sites_log_as_its_user(both_sites: Machine) -> None:
    ensure_package(both_sites, "logrotate")
    ended_job(both_sites, "ticks")
    for site in ("default", "shop"):
        rotate_log(both_sites, site)
    assert both_sites.sh("stat -c '%U %n' /var/log/linod/*/lino.log.1").split() == [
        *("linod", "/var/log/linod/default/lino.log.1"),
        *("shop", "/var/log/linod/shop/lino.log.1"),
    ]
    both_sites.poll(
        lambda: "ticks" in both_sites.sh("cat /var/log/linod/shop/lino.log", check=False), 20, "the new file"
    )
