"""The spool: in order, once, also if who writes it into the database is killed in between."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, connection

from linod_systemd import clock
from linod_systemd.common import host
from linod_systemd.jobs import reconcile, rows, spool
from linod_systemd.models import Job, JobRule
from linod_systemd.runner import execute
from linod_systemd.sites import config
from linod_systemd.store import database, lookup
from linod_systemd.systemd import boot
from linod_systemd.systemd.service_result import ServiceResult
from linod_systemd.tasks import Tasks
from tests.support.registration import Registered

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ("spooled_works", "spooled_fails")


def spooled_works(ar: Any) -> None:
    ar.info("needs no database: %s", ar.job.pk)


def spooled_fails(ar: Any) -> None:
    raise ValueError("its own fault")


@pytest.fixture
def site(registered: Registered) -> config.Site:
    """With two rules, exported."""
    for func in (spooled_works, spooled_fails):
        Tasks().create_rule(registered(func))
    return config.this_site()


@pytest.fixture
def away(site: config.Site) -> Iterator[Path]:
    """Moves the database away for the body of a test; touching what it gives brings it back."""
    connection.close()
    path = database.file()
    assert path is not None
    moved = path.with_suffix(".away")
    path.rename(moved)
    yield moved
    if moved.exists():
        moved.rename(path)


def comes_back(away: Path) -> None:
    there = away.with_suffix(".sqlite3")
    assert database.missing_file() == there  # nobody made an empty one
    away.rename(there)


def test_jobs_run_and_their_rows_come_later_in_order(site: config.Site, away: Path) -> None:
    assert execute.execute(site, "spooled_works") == 0
    assert execute.execute(site, "spooled_fails") == 1
    assert execute.execute(site, "spooled_works") == 0
    assert len(spool.waiting(site)) == 3
    comes_back(away)
    assert reconcile.drain(site) == 3
    rows = Job.objects.order_by("pk")
    assert [(row.rule_name, row.status) for row in rows] == [
        ("spooled_works", "success"),
        ("spooled_fails", "failed"),
        ("spooled_works", "success"),
    ]
    assert rows[0].message == "needs no database: None"
    assert rows[0].rule == JobRule.objects.get(name="spooled_works")
    ended = rows[0].end_datetime
    assert ended is not None and rows[0].start_datetime <= ended <= rows[1].start_datetime
    assert not JobRule.objects.get(name="spooled_fails").cancelled, "it was started by hand"
    assert spool.waiting(site) == [] and reconcile.drain(site) == 0


@pytest.mark.parametrize("killed_at", [1, 2, 3])
def test_writer_killed_between_the_row_and_its_file(site: config.Site, away: Path, killed_at: int) -> None:
    for _ in range(3):
        execute.execute(site, "spooled_works")
    comes_back(away)
    connection.close()
    child = os.fork()
    if child == 0:
        _drain_and_die(site, killed_at)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert Job.objects.count() == killed_at
    assert len(spool.waiting(site)) == 4 - killed_at  # one is in both
    reconcile.drain(site)
    assert Job.objects.count() == 3 and spool.waiting(site) == []


def _drain_and_die(site: config.Site, number: int) -> None:
    import sys

    left = number

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event == "os.remove" and str(arguments[0]).endswith(".json"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    reconcile.drain(site)
    os._exit(0)


def test_end_of_a_run_that_began_before_the_database_went(site: config.Site) -> None:
    """Of a row that began in the database the end alone is kept, and is written once."""
    rule = JobRule.objects.get(name="spooled_works")
    job = Job.objects.create(rule=rule, rule_name=rule.name, start_datetime=clock.now(), host="x")
    job.status, job.end_datetime, job.message = "success", clock.now(), "all of it"
    rows.spool_row(site, job)
    assert reconcile.drain(site) == 1
    job.refresh_from_db()
    assert (job.status, job.message, Job.objects.count()) == ("success", "all of it", 1)


def test_what_is_no_record_is_set_aside_and_the_others_are_written(site: config.Site, away: Path) -> None:
    site.spool_directory.mkdir(exist_ok=True)
    (site.spool_directory / "0-broken.json").write_text('{"kind": "ro')
    execute.execute(site, "spooled_works")
    comes_back(away)
    assert reconcile.drain(site) == 1
    assert [path.name for path in site.spool_directory.glob("*.bad")] == ["0-broken.bad"]


def test_what_the_database_takes_for_no_row_keeps_nothing_from_being_written(
    site: config.Site, away: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL has no NUL in a text; SQLite takes almost everything, so that here the first is refused."""
    for name in ("spooled_fails", "spooled_works"):
        execute.execute(site, name)
    comes_back(away)
    take = reconcile._take

    def refuses(site: config.Site, record: dict[str, Any]) -> None:
        take(site, record)
        if record["row"]["rule_name"] == "spooled_fails":
            raise DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")

    monkeypatch.setattr(reconcile, "_take", refuses)
    assert reconcile.drain(site) == 1
    assert [job.rule_name for job in Job.objects.all()] == ["spooled_works"]
    aside = [path for path in site.spool_directory.glob("*.bad") if path.name != "0-broken.bad"]
    assert len(aside) == 1
    aside[0].unlink()


def test_ends_come_after_their_rows_and_make_up_for_a_missing_one(site: config.Site) -> None:
    monitored = {
        "MONITOR_INVOCATION_ID": "a" * 32,
        "MONITOR_SERVICE_RESULT": "oom-kill",
        "MONITOR_EXIT_CODE": "killed",
        "MONITOR_EXIT_STATUS": "KILL",
        "SECRET": "not to be kept",
    }
    for _ in range(2):  # the second time, nothing happens
        spool.put_end(
            site, "spooled_works", ServiceResult.from_environment(monitored), "the last line", clock.utc_now()
        )
        assert "SECRET" not in spool.waiting(site)[0].read_text()
        reconcile.drain(site)
    job = Job.objects.get()
    assert (job.status, job.reason) == ("killed", "it did not begin: killed: out of memory")
    assert job.message == "the last line"


def test_rule_of_rules_json_is_the_row(site: config.Site) -> None:
    JobRule.objects.filter(name="spooled_works").update(retries=3, monday=True, timezone="Asia/Tokyo")
    saved, read = JobRule.objects.get(name="spooled_works"), lookup.find_exported(site, "spooled_works")
    assert read is not None and not read.is_stored
    assert read.recurrence() == saved.stored().recurrence()
    assert (read.rule.retries, read.rule.weekdays, read.rule.timezone) == (3, ("monday",), "Asia/Tokyo")
    assert lookup.find_exported(site, "nothing") is None


def test_an_end_in_the_spool_is_written_before_a_row_is_taken_for_left(site: config.Site) -> None:
    rule = JobRule.objects.get(name="spooled_works")
    here = {"host": host.host_name(), "boot_id": boot.boot_id()}
    job = Job.objects.create(rule=rule, rule_name=rule.name, start_datetime=clock.now(), **here)
    job.status, job.end_datetime = "success", clock.now()
    rows.spool_row(site, job)
    assert reconcile.reconcile(site)
    job.refresh_from_db()
    assert (job.status, job.reason) == ("success", "")
