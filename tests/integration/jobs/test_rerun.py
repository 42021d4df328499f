"""A run that did not begin, or could not help its end, does not use up its slot."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import override_settings

from linod_systemd import clock
from linod_systemd.common import host
from linod_systemd.jobs import consequences, mail_sender, record_end, rerun, rows
from linod_systemd.models import Job, JobRule
from linod_systemd.runner import execute
from linod_systemd.runner.start import Start
from linod_systemd.sites import config, requests
from linod_systemd.store import rule_store
from linod_systemd.store.choices import CancelledBy, Trigger
from linod_systemd.supervisor import chores
from linod_systemd.systemd.invocation import Invocation
from linod_systemd.systemd.service_result import ServiceResult
from linod_systemd.tasks import Tasks
from tests.integration.conftest import MailServer
from tests.support.registration import Registered

pytestmark = pytest.mark.django_db(transaction=True)

is_away = True


def nightly(ar: Any) -> None:
    if is_away:
        raise OperationalError("the server closed its door")


@pytest.fixture(autouse=True)
def rule(registered: Registered, mail_server: MailServer) -> Iterator[JobRule]:
    """Due once a day, an hour ago; live for two hours."""
    global is_away
    is_away = True
    made = Tasks().create_rule(registered(nightly)).row
    due = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    JobRule.objects.filter(pk=made.pk).update(
        every_unit="daily",
        every=1,
        start_date=due.date() - timedelta(days=9),
        start_time=due.time(),
        timezone="UTC",
    )
    JobRule.objects.filter(pk=made.pk).update(live_since=clock.to_database(due - timedelta(hours=1)))
    with override_settings(ADMINS=[("Admin", "admin@example.org")]):
        yield JobRule.objects.get(pk=made.pk)


def rings() -> Job:
    execute.execute(config.this_site(), "nightly", elapsed=datetime.now(UTC))
    return latest()


def latest() -> Job:
    found = Job.objects.filter(rule_name="nightly").order_by("-pk").first()
    assert found is not None
    return found


def runs_as_asked() -> Job:
    """Run it, as root's side does for what was asked for: systemd started it, and no timer."""
    site = config.this_site()
    start = Start(JobRule.objects.get(name="nightly").stored(), Invocation("b" * 32))
    requests.withdraw_run(site, "nightly")
    execute._attempts(site, start)
    return latest()


def is_asked_for() -> bool:
    return JobRule.objects.get(name="nightly").requested_at is not None


def time_passes(job: Job, seconds: float) -> None:
    """As if the job had ended longer ago."""
    Job.objects.filter(pk=job.pk).update(
        end_datetime=clock.to_database(clock.utc_now() - timedelta(seconds=seconds))
    )


def test_it_is_tried_again_until_it_succeeds(mail_server: MailServer) -> None:
    global is_away
    site, job = config.this_site(), rings()
    assert (job.status, job.blameless, job.owed) == ("failed", True, True)
    assert job.reason.startswith("the database is away")
    for number, wait in ((2, 2), (3, 4), (4, 8)):
        time_passes(job, wait - 1.5)
        assert rerun.request_owed(site) == [] and not is_asked_for(), "it has not waited"
        time_passes(job, wait)
        assert rerun.request_owed(site) == [] and is_asked_for()
        assert rerun.request_owed(site) == []
        is_away = number < 4
        tried, job = job, runs_as_asked()
        assert (job.trigger, job.attempt, job.scheduled_for) == ("retry", number, tried.scheduled_for)
        assert not is_asked_for()
    assert (job.status, job.owed) == ("success", False)
    time_passes(job, 3600)
    assert rerun.request_owed(site) == [] and not is_asked_for()
    assert not Job.objects.owed().exists()
    assert mail_server.mails == []
    assert not JobRule.objects.get(name="nightly").cancelled
    assert {one.status for one in Job.objects.all()} == {"failed", "success"}, "nothing is taken for skipped"


def test_people_are_told_once_its_next_slot_is_due(mail_server: MailServer) -> None:
    job = rings()
    Job.objects.filter(pk=job.pk).update(scheduled_for=(job.scheduled_for or 0) - 24 * 3600)
    JobRule.objects.update(live_since=clock.now() - timedelta(days=3))
    for _ in range(2):
        chores._request_owed(config.this_site())
    mail_sender.send(config.this_site(), only_due=False)
    (told,) = mail_server.mails
    assert "its slot was never run" in told["Subject"]
    assert not is_asked_for() and not latest().owed


@pytest.mark.parametrize("change", ["cancelled", "edited", "removed"])
def test_a_slot_that_is_not_the_rules_any_more_is_not_owed(change: str, mail_server: MailServer) -> None:
    job = rings()
    time_passes(job, 600)
    rules = JobRule.objects.filter(name="nightly")
    if change == "cancelled":
        rules.cancel(CancelledBy.PERSON)
    elif change == "edited":
        rules.update(every=2)
    else:
        rules.delete()
    chores._request_owed(config.this_site())
    mail_sender.send(config.this_site(), only_due=False)
    assert not latest().owed and mail_server.mails == []


def test_a_pause_holds_it_back(rule: JobRule) -> None:
    job = rings()
    time_passes(job, 600)
    rule_store.current().pause("nightly", clock.utc_now() + timedelta(hours=1))
    rerun.request_owed(config.this_site())
    assert not is_asked_for() and latest().owed


def test_a_run_by_hand_is_not_owed() -> None:
    execute.execute(config.this_site(), "nightly")
    assert (latest().blameless, latest().owed) == (True, False)


def test_failures_that_it_could_not_help_are_none_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    JobRule.objects.update(cancel_on_failure=2)
    rings()
    job = Job.objects.create(
        rule_name="nightly",
        start_datetime=clock.now(),
        end_datetime=clock.now(),
        status="failed",
        trigger="timer",
        scheduled_for=1,
    )
    consequences.judge(job)
    assert not JobRule.objects.get(name="nightly").cancelled


def test_a_start_that_never_began_has_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """systemd knows when it started; the row stands for its slot, and that is tried again."""
    site, started = config.this_site(), clock.utc_now()
    monkeypatch.setattr(rows, "_trigger", lambda *_: (Trigger.TIMER, started))
    result = ServiceResult.from_environment(
        {
            "MONITOR_INVOCATION_ID": "c" * 32,
            "MONITOR_SERVICE_RESULT": "exit-code",
            "MONITOR_EXIT_CODE": "exited",
            "MONITOR_EXIT_STATUS": "217",
        }
    )
    record_end.by_systemd(site, "nightly", result, "Failed to determine user credentials")
    job = latest()
    due = JobRule.objects.get(name="nightly").stored().recurrence().last_before(started)
    assert job.slot == due and job.owed
    assert (job.reason, job.host) == ("it did not begin: exit code 217", host.host_name())
    chores._note_missed()
    assert Job.objects.count() == 1, "and no skipped row besides"
    rings()
    assert Job.objects.count() == 1, "its slot is taken"
    time_passes(job, 5)
    rerun.request_owed(site)
    assert is_asked_for()
