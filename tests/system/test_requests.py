"""What a site asks root's side for reaches systemd with no other process of ours alive."""

from __future__ import annotations

import pytest

from tests.support.in_machine import active_timers, ended_job, failed_units, jobs, show, switch_off
from tests.support.machine import Machine

REQUESTS = "/var/lib/linod/shop.requests"


@pytest.fixture
def alone(shop: Machine) -> Machine:
    """The shop without its supervisor."""
    switch_off(shop, "linod-supervisor@shop.service")
    return shop


def test_cancelled_by_any_process_its_timer_stops(alone: Machine) -> None:
    alone.run("linod", "--site", "shop", "cancel", "ticks")
    alone.poll(lambda: "linod-shop-ticks" not in active_timers(alone), 10, "the timer to stop")
    alone.run("linod", "--site", "shop", "enable", "ticks")
    alone.poll(lambda: "linod-shop-ticks" in active_timers(alone), 10, "the timer to start")
    assert failed_units(alone) == []


def test_a_hundred_changes_are_few_reloads_and_the_last_wins(alone: Machine) -> None:
    script = (
        "from linod_systemd.models import JobRule\n"
        "for number in range(100): JobRule.objects.filter(name='ticks').update(timeout=100 + number)"
    )
    before = alone.sh("journalctl -u linod-generate@shop -o cat | grep -c changed,", check=False)
    alone.run("linod", "--site", "shop", "manage", "shell", "-c", script)
    timeout = "TimeoutStartUSec"
    alone.poll(lambda: show(alone, "linod-shop-ticks.service", timeout) == "3min 19s", 20, "the last state")
    alone.poll(lambda: alone.sh(f"ls {REQUESTS}") == "", 10, "the folder to be empty")
    after = alone.sh("journalctl -u linod-generate@shop -o cat | grep -c changed,", check=False)
    assert int(after) - int(before or 0) < 50  # about five, where a hundred changes take a second


def test_run_is_asked_for_without_root(alone: Machine) -> None:
    refused = alone.run("systemctl", "start", "linod-shop-warns", user="shop", check=False)
    assert refused.returncode != 0
    asked = alone.run("linod", "--site", "shop", "run", "warns", user="shop")
    assert "warns: asked for" in asked.stdout
    job = ended_job(alone, "warns") if alone.poll(lambda: jobs(alone, "warns", "shop"), 20, "the job") else {}
    assert (job["trigger"], job["scheduled_for"], bool(job["invocation_id"])) == ("manual", None, True)
    assert alone.run("linod", "--site", "shop", "run", "nowhere", check=False).returncode == 2


def test_request_that_was_lost_is_made_again_once(alone: Machine) -> None:
    """As the supervisor's check does it: the row says so, and no file does."""
    ask = (
        "from datetime import timedelta\n"
        "from django.db import connection; from django.utils import timezone\n"
        "from linod_systemd.models import JobRule; from linod_systemd.sites import config\n"
        "from linod_systemd.supervisor import chores\n"
        "asked = timezone.now() - timedelta(seconds={})\n"
        "sql = \"UPDATE linod_systemd_jobrule SET requested_at = %s WHERE name = 'warns'\"\n"
        "connection.cursor().execute(sql, [asked])\n"
        "chores._request_again(config.this_site())\n"
        "print(JobRule.objects.get(name='warns').requested_at)"
    )

    def look(seconds: int) -> str:
        script = ask.format(seconds)
        return alone.run("linod", "--site", "shop", "manage", "shell", "-v0", "-c", script).stdout

    look(3600)
    alone.poll(lambda: jobs(alone, "warns", "shop"), 20, "the run that was asked for")
    ended_job(alone, "warns")
    # Its unit was started since this was asked for: a row that was not written starts nothing again.
    assert look(3600).strip() == "None"
    assert look(2 * 86400).strip() != "None"  # too old to be of any use
    assert alone.sh(f"ls {REQUESTS}") == ""
    assert len(jobs(alone, "warns", "shop")) == 1


@pytest.mark.long
def test_what_is_no_request_is_told_and_does_not_loop(alone: Machine) -> None:
    alone.sh(f"mkdir -p {REQUESTS}/full/of && ln -s /etc/shadow {REQUESTS}/link")
    said = "journalctl -o cat -u linod-generate@shop"
    alone.poll(lambda: "'full' cannot be removed" in alone.sh(said), 20, "the trouble to be told")
    assert "'link' is no request" in alone.sh(said)
    alone.run("linod", "--site", "shop", "run", "warns")
    alone.poll(lambda: jobs(alone, "warns", "shop"), 40, "what was asked for all the same")
    alone.sh(f"rm -r {REQUESTS}/full")
    assert int(alone.sh(f"{said} | grep -c 'cannot be removed'")) < 6


@pytest.mark.long
def test_pause_ends_by_itself(alone: Machine) -> None:
    alone.run("linod", "--site", "shop", "pause", "ticks", "--for", "12s", "--note", "the move")
    alone.poll(lambda: "linod-shop-ticks" not in active_timers(alone), 10, "the timer to stop")
    said = alone.run("linod", "--site", "shop", "status", check=False)
    assert "paused until" in said.stdout
    assert (said.returncode, "its supervisor does not run" in said.stderr) == (1, True)
    alone.poll(lambda: "linod-shop-ticks" in active_timers(alone), 30, "the pause to end")
    alone.run("linod", "--site", "shop", "pause", "--for", "1d")
    alone.poll(lambda: not [name for name in active_timers(alone) if "shop" in name], 10, "all to stop")
    alone.run("linod", "--site", "shop", "resume")
    alone.poll(lambda: "linod-shop-ticks" in active_timers(alone), 10, "all to go on")
    assert not [job for job in jobs(alone, "ticks", "shop") if job["trigger"] == "catch_up"]


@pytest.mark.long
def test_cancelled_rule_whose_timer_rings_is_not_run(alone: Machine) -> None:
    switch_off(alone, "linod-generate@shop.path")
    alone.run("linod", "--site", "shop", "cancel", "ticks")
    before = len(jobs(alone, "ticks", "shop"))
    rings = "journalctl -o cat -u linod-shop-ticks | grep -c 'it is not run: it is cancelled'"
    alone.poll(lambda: alone.sh(rings, check=False).strip() not in ("", "0"), 30, "its timer to ring")
    assert len(jobs(alone, "ticks", "shop")) == before
