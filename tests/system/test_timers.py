"""Rules become timers, and the timers start jobs."""

from __future__ import annotations

import json
import time
from datetime import datetime

import pytest

from tests.support.in_machine import active_timers, failed_units, jobs, rules, show, switch_off
from tests.support.machine import Machine

SEVEN = {
    "linod-clear_too_old_job_history",
    "linod-event_notification_scheduler",
    "linod-checksummaries",
    "linod-checkdata",
    "linod-send_pending_emails_often",
    "linod-send_pending_emails_daily",
    "linod-clear_seen_messages",
}
OFTEN = "send_pending_emails_often"
FILES = (
    "find /etc/systemd/system -name 'linod*' -o -path '*linod.target.d*' | sort | xargs stat -c '%n %i %Y %Z'"
)


def test_installation_has_the_seven_timers(machine: Machine) -> None:
    assert active_timers(machine) == SEVEN
    assert failed_units(machine) == []
    assert show(machine, "linod.target", "ActiveState") == "active"
    assert (
        machine.sh("stat -c '%U %a' /var/lib/linod/default /var/log/linod/default")
        == "linod 750\nlinod 750\n"
    )


def test_rule_of_a_few_seconds_fires_in_time(machine: Machine) -> None:
    def fired() -> list[dict[str, object]]:
        found = [
            job for job in jobs(machine, OFTEN) if job["status"] == "success" and job["trigger"] == "timer"
        ]
        return found if len(found) >= 3 else []

    script = "from linod_systemd.models import JobRule as R; R.objects.filter(name={!r}).update(every=3)"
    machine.run("linod", "manage", "shell", "-c", script.format(OFTEN))
    latest = machine.poll(fired, 60, "three jobs")[:2]
    planned = [datetime.fromisoformat(str(job["scheduled_for"])) for job in latest]
    assert (planned[0] - planned[1]).total_seconds() in (3, 6, 9)  # a busy machine may pass one over
    assert all(instant.second % 3 == 0 and instant.microsecond == 0 for instant in planned)
    for job in latest:
        job_id, invocation = job["id"], job["invocation_id"]
        lines = machine.sh(f"journalctl -o json LINOD_JOB={job_id} LINOD_RULE={OFTEN}").splitlines()
        entries = [json.loads(line) for line in lines]
        assert entries
        assert {entry["_SYSTEMD_UNIT"] for entry in entries} == {f"linod-{OFTEN}.service"}
        assert {entry["_SYSTEMD_INVOCATION_ID"] for entry in entries} == {invocation}
        assert {entry["LINOD_SITE"] for entry in entries} == {"default"}
    assert failed_units(machine) == []


def test_second_run_changes_no_file(machine: Machine) -> None:
    before = machine.sh(FILES)
    machine.sh("linod-generate-units && systemctl daemon-reload")
    assert machine.sh(FILES) == before
    assert machine.run("linod-generate-units", "--check", check=False).returncode == 0


def test_generate_and_reload_alone_start_and_stop_timers(machine: Machine) -> None:
    switch_off(machine, "linod-generate@default.path")
    machine.sh("linod cancel checkdata")
    assert "linod-checkdata" in active_timers(machine)
    machine.sh("linod-generate-units && systemctl daemon-reload")
    machine.poll(lambda: "linod-checkdata" not in active_timers(machine), 10, "the cancelled timer to stop")
    machine.sh("linod enable checkdata")
    assert "linod-checkdata" not in active_timers(machine)
    machine.sh("linod-generate-units && systemctl daemon-reload")
    machine.poll(lambda: "linod-checkdata" in active_timers(machine), 10, "the enabled timer to start")
    assert jobs(machine, "checkdata") == []


def test_cancel_in_the_admin_stops_the_timer_without_the_supervisor(machine: Machine) -> None:
    switch_off(machine, "linod-supervisor@default.service")
    script = """
from django.test import Client
from linod_systemd.demo.models import User
from linod_systemd.models import JobRule
client = Client(HTTP_HOST="localhost")
client.force_login(User.objects.create_superuser("root"))
answer = client.post("/admin/linod_systemd/jobrule/", {
    "action": "cancel", "_selected_action": [JobRule.objects.get(name="checkdata").pk]}, follow=True)
assert "1 rule was cancelled" in answer.content.decode()
"""
    machine.run("linod", "manage", "shell", "-c", script)
    machine.poll(lambda: "linod-checkdata" not in active_timers(machine), 10, "the timer to stop")
    assert show(machine, "linod-checkdata.timer", "ActiveState") == "inactive"
    assert failed_units(machine) == []


def test_run_now_in_the_admin_starts_the_unit(machine: Machine) -> None:
    script = "from linod_systemd.models import JobRule; JobRule.objects.filter(name='checkdata').request()"
    machine.run("linod", "manage", "shell", "-c", script)
    job = machine.poll(lambda: jobs(machine, "checkdata"), 10, "the job")[0]
    assert (job["trigger"], bool(job["invocation_id"])) == ("manual", True)
    machine.poll(lambda: jobs(machine, "checkdata")[0]["status"] == "success", 10, "its end")
    machine.poll(
        lambda: machine.sh("ls /var/lib/linod/default.requests") == "",
        10,
        "the request's end",
    )
    assert len(jobs(machine, "checkdata")) == 1


def test_edited_rule_does_not_fire_for_the_past(machine: Machine) -> None:
    """A calendar that changes under a running timer elapses at once for what lies between."""
    machine.sh(
        "mkdir -p /var/lib/systemd/timers && "
        "touch -d '3 days ago' /var/lib/systemd/timers/stamp-linod-checkdata.timer"
    )
    script = """
from datetime import datetime, timedelta
from linod_systemd.models import JobRule
rule = JobRule.objects.get(name="checkdata")
rule.start_time = (datetime.now() - timedelta(hours=1)).time().replace(microsecond=0)
rule.save()
"""
    machine.run("linod", "manage", "shell", "-c", script)
    wanted = machine.run("linod", "next", "checkdata").stdout.strip()

    def elapses() -> bool:
        shown = show(machine, "linod-checkdata.timer", "NextElapseUSecRealtime")
        return bool(shown) and shown[4:23] == wanted.replace("T", " ")[:19]

    machine.poll(elapses, 20, f"the timer to elapse at {wanted}")
    assert jobs(machine, "checkdata") == []


def live_long_ago(machine: Machine, rule: str) -> None:
    """As if the rule had been made days ago: what was due before it was is not made up for."""
    script = (
        "from datetime import timedelta; from django.utils import timezone\n"
        "from linod_systemd.models import JobRule\n"
        "long_ago = timezone.now() - timedelta(days=5)\n"
        f"JobRule.objects.filter(name={rule!r}).update(live_since=long_ago)"
    )
    machine.run("linod", "manage", "shell", "-c", script)


def boot_after_two_days(machine: Machine) -> None:
    """Shut it down, and boot it as if the timer of `checkdata` had elapsed last two days ago."""
    live_long_ago(machine, "checkdata")
    machine.sh("systemctl stop linod.target")
    machine.power_off()
    stamp = f"{machine.root}/var/lib/systemd/timers/stamp-linod-checkdata.timer"
    machine.workshop.sh(f"touch -d '2 days ago' {stamp}")
    machine.boot()


def test_missed_run_is_made_up_for_once_at_boot(machine: Machine) -> None:
    boot_after_two_days(machine)
    found = machine.poll(lambda: jobs(machine, "checkdata"), 30, "the job that was missed")
    assert [job["trigger"] for job in found] == ["catch_up"]
    assert found[0]["scheduled_for"] is not None


SLOW = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=sleep 6\n"


@pytest.mark.long
def test_a_missed_run_waits_at_boot_for_the_units_that_the_site_names(machine: Machine) -> None:
    machine.write("/etc/systemd/system/slow.service", SLOW)
    machine.sh("echo 'after = [\"slow.service\"]' >> /etc/linod/default.toml; linod-generate-units")
    boot_after_two_days(machine)
    machine.poll(lambda: jobs(machine, "checkdata"), 60, "the job that was missed")
    slow = int(show(machine, "slow.service", "ActiveEnterTimestampMonotonic"))
    assert 0 < slow <= int(show(machine, "linod-checkdata.service", "ExecMainStartTimestampMonotonic"))


@pytest.mark.long  # what came within a minute before the supervisor's start is looked for a minute after it
def test_what_came_right_before_the_boot_is_told(machine: Machine) -> None:
    seconds = 12
    at = machine.sh(f"date -u -d '+{seconds} seconds' +%T").strip()
    script = (
        "from linod_systemd.models import JobRule\n"
        "rule = JobRule.objects.get(name='checkdata')\n"
        f"rule.start_time, rule.timezone, rule.catch_up = {at!r}, 'UTC', False\n"
        "rule.save()"
    )
    machine.run("linod", "manage", "shell", "-c", script)
    live_long_ago(machine, "checkdata")
    machine.power_off()
    time.sleep(seconds)
    machine.boot()
    found = machine.poll(lambda: jobs(machine, "checkdata"), 120, "the row of what was missed")
    assert found[0]["status"] == "skipped" and f"{at}+00:00" in found[0]["reason"]
    assert found[0]["reason"].endswith("the host was off, or its timer not running")
    assert not rules(machine)["checkdata"]["overdue"]


FROM_THE_FUTURE = """
from datetime import datetime, UTC
from linod_systemd import clock
from linod_systemd.common import host
from linod_systemd.models import Job
then = clock.to_database(datetime(2098, 1, 1, tzinfo=UTC))
Job.objects.create(
    rule_name="checkdata", start_datetime=then, status="running", trigger="timer", invocation_id="1" * 32,
    host=host.host_name(), boot_id="2" * 32,
    scheduled_for=clock.to_slot(datetime(2098, 1, 1, tzinfo=UTC)),
)
"""


@pytest.mark.long
def test_what_a_clock_that_was_ahead_left_behind_is_in_nobodys_way(machine: Machine) -> None:
    machine.run("linod", "manage", "shell", "-c", FROM_THE_FUTURE)
    machine.sh("systemctl stop linod.target")
    machine.power_off()
    stamp = f"{machine.root}/var/lib/systemd/timers/stamp-linod-checkdata.timer"
    machine.workshop.sh(f"touch -d 2098-01-01 {stamp}")
    machine.boot()
    machine.poll(lambda: jobs(machine, "checkdata")[0]["status"] == "lost", 30, "its row to end")
    wanted = machine.run("linod", "next", "checkdata").stdout.strip().replace("T", " ")[:19]
    machine.poll(
        lambda: show(machine, "linod-checkdata.timer", "NextElapseUSecRealtime")[4:23] == wanted, 20, wanted
    )
    machine.run("linod-run", "checkdata")
    # The one that was lost was made up for, too, as the machine went down.
    found = [(job["status"], job["trigger"]) for job in jobs(machine, "checkdata")]
    assert found == [("lost", "timer"), ("success", "manual"), ("success", "catch_up")]


@pytest.mark.parametrize("how", ["poweroff", "power cut"])
def test_timers_are_there_before_any_python_of_ours(machine: Machine, how: str) -> None:
    switch_off(machine, "linod-supervisor@default.service")
    switch_off(machine, "linod-generate@default.path")
    if how == "poweroff":
        machine.reboot()
    else:
        machine.sh("sync")
        machine.pull_the_plug()
        machine.boot()
    machine.poll(lambda: active_timers(machine) == SEVEN, 20, "the timers")
    assert show(machine, "linod-supervisor@default.service", "ActiveState") == "inactive"


def test_new_rule_gets_its_timer_while_a_supervisor_loads(machine: Machine) -> None:
    """A start of linod.target that waited for it would keep PID 1 from starting what is new."""
    unit = "linod-supervisor@default.service"
    machine.write(f"/etc/systemd/system/{unit}.d/slow.conf", "[Service]\nExecStartPre=sleep 30\n")
    machine.sh(f"systemctl daemon-reload && systemctl restart --no-block {unit}")
    machine.poll(lambda: show(machine, unit, "ActiveState") == "activating", 20, "it to load")
    machine.sh("systemctl start --no-block linod.target")
    machine.sh("linod cancel checkdata && linod-generate-units && systemctl daemon-reload")
    machine.poll(lambda: "linod-checkdata" not in active_timers(machine), 10, "its timer to go")
    machine.sh("linod enable checkdata && linod-generate-units && systemctl daemon-reload")
    machine.poll(lambda: "linod-checkdata" in active_timers(machine), 10, "its timer to come")
    assert show(machine, unit, "ActiveState") == "activating"


def test_administrators_drop_in_survives(machine: Machine) -> None:
    path = "/etc/systemd/system/linod-checkdata.service.d/nice.conf"
    machine.write(path, "[Service]\nNice=7\n")
    machine.sh("linod cancel checkdata && linod-generate-units && systemctl daemon-reload")
    machine.sh("linod enable checkdata && linod-generate-units && systemctl daemon-reload")
    assert machine.read(path) == "[Service]\nNice=7\n"
    assert show(machine, "linod-checkdata.service", "Nice") == "7"


def test_removed_rule_leaves_nothing(machine: Machine) -> None:
    machine.run(
        "linod",
        "manage",
        "shell",
        "-c",
        "from linod_systemd.models import JobRule as R; R.objects.get(name='checkdata').delete()",
    )
    machine.poll(lambda: "linod-checkdata" not in active_timers(machine), 10, "the timer to go")
    machine.poll(
        lambda: not machine.sh("ls /etc/systemd/system/ | grep checkdata", check=False), 10, "its files to go"
    )
    assert "checkdata" not in machine.sh("systemctl list-units --all --plain --no-legend 'linod-*'")
    assert failed_units(machine) == []


def test_unmarked_file_is_not_overwritten(machine: Machine) -> None:
    machine.sh("linod cancel checkdata && linod-generate-units")
    machine.write("/etc/systemd/system/linod-checkdata.service", "[Service]\nExecStart=/bin/true\n")
    done = machine.run("linod-generate-units", check=False)
    assert done.returncode == 1
    assert "linod-checkdata.service is there and was not generated" in done.stderr
    assert machine.read("/etc/systemd/system/linod-checkdata.service").startswith("[Service]")
