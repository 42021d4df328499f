"""What users of other schedulers kept asking for: a run by hand that moves nothing, silence that is told."""

from __future__ import annotations

import json

import pytest

from tests.support.in_machine import add_to_settings, jobs, rules
from tests.support.machine import Machine

MANAGE = "linod --site shop manage shell -v0 -c"

# Due half a day away, so that nothing but the test starts them.
THREE = """
from datetime import timedelta
from linod_systemd import clock
from linod_systemd.models import JobRule
day = clock.today() - timedelta(days=3)
at = (clock.utc_now() + timedelta(hours=12)).time().replace(microsecond=0)
for name, unit, every in (("daily", "daily", 1), ("fortnightly", "weekly", 2), ("seven", "hourly", 7)):
    when = {"every_unit": unit, "every": every, "start_date": day, "start_time": at}
    JobRule.objects.create(name=name, procedure="clear_seen_messages", **when)
"""
CANCELLED_FOR_LONG = """
from datetime import timedelta
from linod_systemd import clock
from linod_systemd.models import JobRule
ago = clock.now() - timedelta(seconds=1000)
JobRule.objects.create(name="second", procedure="clear_seen_messages", every_unit="secondly", cancelled=True)
JobRule.objects.filter(name="second").update(cancelled_at=ago, live_since=ago)
"""
FOUR = """
from datetime import timedelta
from linod_systemd import clock
from linod_systemd.models import JobRule
JobRule.objects.update(cancelled=True)  # those of the site may be late at the boot
names = ("masked", "deleted", "cancelled", "well")
for name in (*names, "new"):
    how = {"every_unit": "secondly", "cancelled": name == "cancelled"}
    JobRule.objects.create(name=name, procedure="clear_seen_messages", **how)
JobRule.objects.filter(name="new").update(every_unit="daily", start_time="00:00")
JobRule.objects.filter(name__in=names).update(live_since=clock.now() - timedelta(seconds=40))
"""


def test_a_run_by_hand_moves_no_next_time(shop: Machine) -> None:
    shop.run("bash", "-c", f"{MANAGE} '{THREE}'")
    names = ("daily", "fortnightly", "seven")

    def nexts() -> dict[str, str]:
        return {name: shop.run("linod", "--site", "shop", "next", name, "-n", "2").stdout for name in names}

    before = nexts()
    for name in names:
        shop.run("linod-run", "--site", "shop", name)
    shop.run("linod", "--site", "shop", "run", "daily")  # as the admin's button does, without root
    shop.poll(lambda: len(jobs(shop, "daily", "shop")) == 2, 20, "the run that was asked for")
    assert nexts() == before
    for name in names:
        for job in jobs(shop, name, "shop"):
            assert (job["trigger"], job["scheduled_for"]) == ("manual", None), job
    shop.run("linod", "--site", "shop", "cancel", "daily")
    assert "ended: success" in shop.run("linod-run", "--site", "shop", "daily").stderr
    assert rules(shop, "shop")["daily"]["cancelled_by"] == "person"


@pytest.mark.long
def test_what_was_cancelled_for_a_thousand_instants_comes_back_at_once(shop: Machine) -> None:
    shop.run("bash", "-c", f"{MANAGE} '{CANCELLED_FOR_LONG}'")
    said = shop.run("linod", "--site", "shop", "enable", "second").stdout
    assert "second: enabled, next run at" in said
    enabled = shop.sh("date +%s.%N").strip()
    shop.poll(
        lambda: [job for job in jobs(shop, "second", "shop") if job["status"] == "success"],
        20,
        "its next run",
    )
    ran = [job for job in jobs(shop, "second", "shop") if job["status"] != "skipped"]
    assert all(job["trigger"] == "timer" for job in ran)
    assert len(ran) <= float(shop.sh("date +%s.%N")) - float(enabled) + 2, "none for the past"
    assert any("runs, due from" in job["reason"] for job in jobs(shop, "second", "shop"))


def test_silence_is_told(shop: Machine) -> None:
    add_to_settings(shop, "LINOD_LATE_SECONDS = 2")
    shop.run("bash", "-c", f"{MANAGE} '{FOUR}'")
    units = "/etc/systemd/system/linod-shop"
    shop.sh("linod-generate-units && systemctl daemon-reload")
    shop.sh(f"ln -sf /dev/null {units}-masked.timer; systemctl daemon-reload")
    shop.sh("systemctl stop linod-shop-masked.timer || true")
    shop.sh(
        f"rm {units}-deleted.timer; systemctl daemon-reload; systemctl stop linod-shop-deleted.timer || true"
    )

    def told() -> set[str]:
        done = shop.run("linod", "--site", "shop", "status", "--json", check=False)
        found = {rule["name"] for rule in json.loads(done.stdout)["rules"] if rule["overdue"]}
        # Exit 1 is for each trouble that is told: also for a timer unknown to systemd, before it is overdue.
        troubles = [line for line in done.stderr.splitlines() if line.startswith("linod: ")]
        assert (done.returncode == 1) == bool(troubles) and (troubles or not found)
        return found

    shop.poll(lambda: told() == {"masked", "deleted"}, 30, "both to be overdue, and no other")
    listed = rules(shop, "shop")["well"]
    assert listed["last_status"] == "success" and listed["last_success"] and listed["next"]
    shop.sh("systemctl stop linod.target")
    shop.poll(lambda: "well" in told(), 30, "what is stopped to be overdue, too")
    assert not told() & {"cancelled", "new"}
