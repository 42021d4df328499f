"""What ``linod status`` says is wrong, and its exit code for an alarm."""

from __future__ import annotations

import json
from argparse import Namespace
from datetime import UTC, date, datetime, timedelta

import pytest

from linod_systemd import clock
from linod_systemd.cli import status as status_command
from linod_systemd.jobs import health
from linod_systemd.models import Job, JobRule
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.choices import CancelledBy, Status, StopReason

pytestmark = pytest.mark.django_db(transaction=True)


def now() -> datetime:
    """The middle of this minute: asked for in each test, as a long run would make it the past."""
    return datetime.now(UTC).replace(second=30, microsecond=0)


def late() -> datetime:
    return now() - timedelta(minutes=7)


@pytest.fixture
def rule() -> JobRule:
    """Due at each full minute; live for a day."""
    made: JobRule = JobRule.objects.create(
        name="minutes", procedure="checkdata", every_unit="minutely", start_date=date(2026, 1, 1)
    )
    live_since = clock.to_database(now() - timedelta(days=1))
    JobRule.objects.filter(pk=made.pk).update(live_since=live_since)
    return JobRule.objects.get(pk=made.pk)


def ran(rule: JobRule, at: datetime, status: Status = Status.SUCCESS) -> None:
    Job.objects.create(
        rule=rule,
        rule_name=rule.name,
        start_datetime=clock.to_database(at),
        end_datetime=None if status == Status.RUNNING else clock.to_database(at),
        scheduled_for=clock.to_slot(at.replace(second=0)),
        status=status,
    )


def status(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str | None], str]:
    code = status_command.status(config.this_site(), Namespace(json=True, lines=False, verbose=False))
    said = capsys.readouterr()
    return code, json.loads(said.out)["rules"][0], said.err


def test_a_rule_that_runs_is_well(rule: JobRule, capsys: pytest.CaptureFixture[str]) -> None:
    minute_ago = now() - timedelta(minutes=1)
    ran(rule, minute_ago)
    code, found, said = status(capsys)
    assert (code, found["overdue"], found["trouble"], said) == (0, None, None, "")
    assert found["last_start"] == found["last_success"] == minute_ago.isoformat()
    assert found["last_status"] == "success" and found["next"] is not None


def test_what_has_not_run_is_overdue(rule: JobRule, capsys: pytest.CaptureFixture[str]) -> None:
    ran(rule, late())
    code, found, said = status(capsys)
    assert code == 1 and found["overdue"] is not None
    assert "minutes: it was due at" in said and "has not run" in said


@pytest.mark.parametrize("how", ["running", "skipped", "paused", "cancelled", "new"])
def test_what_has_a_reason_is_not_overdue(rule: JobRule, how: str) -> None:
    ran(rule, late())
    if how == "running":
        ran(rule, late() + timedelta(minutes=1), Status.RUNNING)
    elif how == "skipped":
        ran(rule, now(), Status.SKIPPED)
    elif how == "paused":
        rule_store.current().pause(rule.name, now() + timedelta(hours=1))
    elif how == "cancelled":
        JobRule.objects.cancel(CancelledBy.PERSON)
    else:
        JobRule.objects.update(live_since=clock.to_database(now()))
    assert health.of([JobRule.objects.get().stored()], clock.utc_now())[0].overdue is None


@pytest.mark.parametrize("reason", list(StopReason))
def test_what_somebody_stopped_is_no_failure(
    rule: JobRule, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(rule, now(), Status.KILLED)
    assert "its last run ended as killed" in status(capsys)[2]
    Job.objects.update(reason=reason)
    code, found, said = status(capsys)
    assert (code, found["trouble"], said) == (0, None, "")
    assert not Job.objects.all().failures().exists() and Job.objects.all().bad_ends().exists()


def test_a_rule_that_a_failure_cancelled_says_how_it_comes_back(
    rule: JobRule, capsys: pytest.CaptureFixture[str]
) -> None:
    JobRule.objects.cancel(CancelledBy.FAILURE)
    said = status(capsys)[2]
    assert "`linod enable minutes` brings it back" in said and "a reload does not" in said


def test_a_failure_is_told(rule: JobRule, capsys: pytest.CaptureFixture[str]) -> None:
    ran(rule, now(), Status.FAILED)
    assert "its last run ended as failed" in status(capsys)[2]
    JobRule.objects.cancel(CancelledBy.FAILURE)
    code, found, said = status(capsys)
    assert code == 1 and "linod enable minutes" in said
