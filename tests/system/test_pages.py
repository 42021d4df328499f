"""What the pages ask for goes through the border: systemd stops a job, and runs a rule for past slots."""

from __future__ import annotations

import pytest

from tests.support.in_machine import STATE, jobs, show
from tests.support.machine import Machine
from tests.system.test_lost_nothing import become, begin

WAITS = "linod-shop-waits.service"
AS_THE_SITE = ("linod", "--site", "shop")
BACKFILL = (*AS_THE_SITE, "backfill", "does_nothing")


def test_a_job_is_stopped_without_root(shop: Machine) -> None:
    """By a request that names its invocation; its log and how far it is are seen while it runs."""
    begin(shop, "says_how_far")
    shop.poll(
        lambda: show(shop, "linod-shop-says_how_far.service", "StatusText") == "3 of 4 (75 %): shelves",
        20,
        "the status of its unit",
    )
    (job,) = jobs(shop, "says_how_far", "shop")
    assert job["progress"] == {"done": 3.0, "total": 4.0, "text": "shelves"}
    live = f"""
from linod_systemd.models import Job
from linod_systemd.jobs import logged
from linod_systemd.store import rule_store
print(logged.text(rule_store.current().site, Job.objects.get(pk={job["id"]})))
"""
    assert "counting" in shop.run(*AS_THE_SITE, "manage", "shell", "-v0", "-c", live).stdout
    begin(shop, "waits")
    said = shop.run("runuser", "-u", "shop", "--", *AS_THE_SITE, "stop", "says_how_far").stdout
    assert f"asked to stop job #{job['id']}" in said
    assert become(shop, "says_how_far", "killed")["reason"] == "terminated by SIGTERM"
    assert show(shop, WAITS, "ActiveState") == "activating", "its neighbour goes on"


def test_a_request_to_stop_an_invocation_that_has_ended_stops_no_other(shop: Machine) -> None:
    begin(shop, "waits")
    request = f"""
from linod_systemd.sites import config, requests
requests.request_stop(config.this_site(), "waits", "{"5" * 32}")
"""
    shop.run(*AS_THE_SITE, "manage", "shell", "-v0", "-c", request)
    shop.poll(lambda: shop.sh("ls /var/lib/linod/shop.requests") == "", 20, "the request to be taken")
    shop.sh(f"touch {STATE}/go")
    become(shop, "waits", "success")


@pytest.mark.long
def test_past_slots_are_run_one_after_the_other(shop: Machine) -> None:
    edit = "every_unit='daily', timezone='UTC', start_date='2026-01-01'"
    script = (
        f"from linod_systemd.models import JobRule as R\nR.objects.filter(name='does_nothing').update({edit})"
    )
    shop.run(*AS_THE_SITE, "manage", "shell", "-v0", "-c", script)
    shop.run(*BACKFILL, "--from", "2026-02-01T00:00", "--to", "2026-02-05T23:00")
    shop.poll(lambda: len(jobs(shop, "does_nothing", "shop")) == 5, 60, "five jobs")
    found = jobs(shop, "does_nothing", "shop")[::-1]
    assert [job["scheduled_for"] for job in found] == [
        f"2026-02-0{day}T00:00:00+00:00" for day in range(1, 6)
    ]
    assert {(job["trigger"], job["status"]) for job in found} == {("backfill", "success")}
    refused = shop.run(*BACKFILL, "--from", "2026-02-03T00:00", check=False)
    assert refused.returncode == 1 and "--force" in refused.stderr
