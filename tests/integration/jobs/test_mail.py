"""People hear of it: mails at a real SMTP server, one for a failure, one for the recovery."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from django.db.models import F
from django.test import override_settings

from linod_systemd import checks, clock
from linod_systemd.jobs import mail, mail_sender, missed_after, outbox, rerun
from linod_systemd.models import Job, JobRule
from linod_systemd.runner import execute
from linod_systemd.sites import config
from linod_systemd.tasks import Tasks
from tests.integration.conftest import MailServer, mailed_by
from tests.support.registration import Registered

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = override_settings(ADMINS=[("Admin", "admin@example.org")])
HOUR = timedelta(hours=1)
goes_well_from = 1  # this attempt of a run


def brittle(ar: Any) -> None:
    for number in range(50):
        ar.info("line %d", number)
    if ar.job.attempt < goes_well_from:
        raise ValueError("no such shelf")


@pytest.fixture(autouse=True)
def rule(mail_server: MailServer, registered: Registered) -> Iterator[JobRule]:
    procedure = registered(brittle)
    with PEOPLE:
        made = Tasks().create_rule(procedure).row
        JobRule.objects.filter(pk=made.pk).update(cancel_on_manual_failure=True)  # as these runs are by hand
        yield JobRule.objects.get(pk=made.pk)
    config.this_site().silence_file.unlink(missing_ok=True)


def run(*, well: bool = False, well_from: int = 99, elapsed: float | None = None) -> Job:
    global goes_well_from
    goes_well_from = 1 if well else well_from
    rang = None
    if elapsed is not None:  # so many seconds ago its timer did, which counts from the previous start
        JobRule.objects.update(every_unit="secondly", every=7, live_since=clock.now() - HOUR)
        rang = clock.utc_now() - timedelta(seconds=elapsed)
    execute.execute(config.this_site(), "brittle", elapsed=rang)
    job = Job.objects.filter(rule_name="brittle").first()
    assert job is not None
    return job


def subjects(server: MailServer) -> list[str]:
    return [str(told["Subject"]).partition("] ")[2] for told in server.mails]


def body(told: EmailMessage) -> str:
    return str(told.get_content())


def an_hour_passes() -> None:
    Job.objects.update(
        start_datetime=F("start_datetime") - 2 * HOUR, end_datetime=F("end_datetime") - 2 * HOUR
    )


def test_a_failure_is_told_with_all_that_one_needs(mail_server: MailServer) -> None:
    job = run()
    (told,) = mail_server.mails
    assert told["To"] == "admin@example.org"
    assert subjects(mail_server) == [f"brittle failed on {job.host}: the rule is cancelled"]
    said = body(told)
    assert "ValueError: no such shelf" in said and "line 49" in said and "line 10" not in said
    for command in (f"linod show {job.pk}", "linod jobs brittle", "linod enable brittle"):
        assert command in said


def test_a_manual_run_that_fails_is_told_and_its_timer_goes_on(mail_server: MailServer) -> None:
    JobRule.objects.update(cancel_on_manual_failure=False)
    job = run()
    assert not JobRule.objects.get(name="brittle").cancelled
    assert subjects(mail_server) == [f"brittle failed on {job.host}: the rule goes on"]
    assert "started by hand" in body(mail_server.mails[0])


def test_manual_failures_are_none_of_those_in_a_row(mail_server: MailServer) -> None:
    JobRule.objects.update(cancel_on_failure=2, cancel_on_manual_failure=False)
    for elapsed, cancelled in ((20, False), (None, False), (None, False), (0, True)):
        run(elapsed=elapsed)
        assert JobRule.objects.get(name="brittle").cancelled is cancelled


def test_further_attempts_of_a_manual_run_are_by_hand_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerun, "wait_before", lambda number: 0)
    JobRule.objects.update(cancel_on_failure=2, cancel_on_manual_failure=False, retries=1)
    for _ in range(2):
        run()
    run(elapsed=20)
    jobs = [(job.trigger, job.was_by_hand) for job in Job.objects.filter(rule_name="brittle").order_by("pk")]
    by_hand = [("manual", True), ("retry", True)]
    assert jobs == [*by_hand, *by_hand, ("timer", False), ("retry", False)]
    assert not JobRule.objects.get(name="brittle").cancelled, "one failure of its timer"
    run(elapsed=0)
    assert JobRule.objects.get(name="brittle").cancelled


def test_what_fails_again_and_again_is_told_once_and_its_recovery_once(mail_server: MailServer) -> None:
    JobRule.objects.update(cancel_on_failure=0)
    for _ in range(5):
        run()
    assert len(mail_server.mails) == 1 and "the rule goes on" in subjects(mail_server)[0]
    for _ in range(3):
        run(well=True)
    assert len(mail_server.mails) == 2 and subjects(mail_server)[1].startswith("brittle has recovered")
    assert "no such shelf" in body(mail_server.mails[1])
    # It comes and goes: no more of that for an hour.
    for _ in range(3):
        run()
        run(well=True)
    assert len(mail_server.mails) == 2
    an_hour_passes()
    run()
    assert len(mail_server.mails) == 3


def test_it_is_cancelled_after_so_many_failures_in_a_row(mail_server: MailServer) -> None:
    JobRule.objects.update(cancel_on_failure=3)
    for well, cancelled in (
        (False, False),
        (False, False),
        (True, False),
        *[(False, False)] * 2,
        (False, True),
    ):
        run(well=well)
        assert JobRule.objects.get(name="brittle").cancelled is cancelled
    assert [subject.partition(": ")[2] for subject in subjects(mail_server)] == [
        "the rule goes on",
        "",  # it has recovered
        "the rule is cancelled",
    ]


def test_attempts_of_one_run_are_one_failure(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerun, "wait_before", lambda number: 0)
    JobRule.objects.update(cancel_on_failure=2, retries=2)
    run()
    assert Job.objects.filter(rule_name="brittle").count() == 3
    assert not JobRule.objects.get(name="brittle").cancelled
    run()
    assert JobRule.objects.get(name="brittle").cancelled
    assert len(mail_server.mails) == 2


def test_a_later_attempt_that_goes_well_is_no_alarm(
    mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerun, "wait_before", lambda number: 0)
    JobRule.objects.update(retries=2)
    run(well_from=2)
    assert [job.status for job in Job.objects.filter(rule_name="brittle")] == ["success", "failed"]
    assert mail_server.mails == [] and not JobRule.objects.get(name="brittle").cancelled


def test_others_than_admins_are_told_and_a_dead_server_loses_nothing(mail_server: MailServer) -> None:
    JobRule.objects.update(cancel_on_failure=0)
    with override_settings(LINOD_MAIL_TO=["night@example.org", "day@example.org"]):
        mail_server.stop()
        assert run().status == "failed"
        mail_server.start()
        run()
    (told,) = mail_server.mails
    assert told["To"] == "night@example.org, day@example.org"


def test_no_success_for_too_long_is_told_once_and_its_end(mail_server: MailServer, rule: JobRule) -> None:
    site = config.this_site()
    missed_after.tell(site)
    JobRule.objects.filter(pk=rule.pk).update(missed_after=3600, live_since=clock.now() - 2 * HOUR)
    for _ in range(3):
        missed_after.tell(site)
    mail.send_here(site)
    assert subjects(mail_server) == ["brittle of site default has not succeeded for more than 1 hour"]
    run(well=True)
    for _ in range(2):
        missed_after.tell(site)
    mail.send_here(site)
    assert subjects(mail_server)[1:] == ["brittle of site default is not missed any more"]
    an_hour_passes()
    JobRule.objects.update(cancelled=True)
    missed_after.tell(site)
    mail.send_here(site)
    assert len(mail_server.mails) == 2, "nobody waits for a cancelled rule"


def others_fail(registered: Registered, count: int) -> None:
    """Further rules, which fail as the first one does."""
    for number in range(count):
        name = f"brittle_{number}"
        Tasks().create_rule(registered(brittle, name))
        execute.execute(config.this_site(), name)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> config.Site:
    """As in a unit of a site that has a supervisor, which sends the mails."""
    monkeypatch.setenv("LINOD_BOOT_ID", "1")
    return config.this_site()


def test_a_job_leaves_its_mail_and_waits_for_no_server(mail_server: MailServer, kept: config.Site) -> None:
    run()
    assert mail_server.mails == [] and len(outbox.waiting(kept)) == 1
    assert mail_sender.send(kept, only_due=True) == "" and mail_server.mails == [], "others may come"
    assert mail_sender.send(kept, only_due=False) == ""
    assert len(mail_server.mails) == 1 and outbox.waiting(kept) == []


def test_rules_that_fail_for_one_cause_are_one_mail_and_one_recovery(
    mail_server: MailServer, kept: config.Site, registered: Registered
) -> None:
    JobRule.objects.update(cancel_on_failure=0)
    run()
    others_fail(registered, 3)
    mail_sender.send(kept, only_due=False)
    (subject,) = subjects(mail_server)
    assert subject.startswith("4 rules failed on ") and subject.endswith(
        "for one cause: ValueError: no such shelf"
    )
    for name in ("brittle", "brittle_0", "brittle_2"):
        assert f"  {name}: " in body(mail_server.mails[0])
    run(well=True)
    for number in range(3):
        execute.execute(kept, f"brittle_{number}")
    mail_sender.send(kept, only_due=False)
    assert [subject.partition(" on ")[0] for subject in subjects(mail_server)[1:]] == [
        "4 rules have recovered"
    ]


def test_a_server_that_never_answers_is_given_up_and_asked_again(
    mail_server: MailServer, kept: config.Site, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr(mail_sender, "SECONDS", 0.3)
    run()
    with socket.create_server(("127.0.0.1", 0)) as deaf, mailed_by(deaf.getsockname()[1], timeout=60):
        assert "no answer within 0.3 s" in mail_sender.send(kept, only_due=False)
    assert "was not sent" in caplog.text and len(outbox.waiting(kept)) == 1
    mail_sender.send(kept, only_due=False)
    assert len(mail_server.mails) == 1 and outbox.waiting(kept) == []


def test_a_backend_may_raise_whatever_it_likes(
    mail_server: MailServer, kept: config.Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(self: object) -> int:
        raise KeyError("no token of the service")

    run()
    with monkeypatch.context() as patched:
        patched.setattr("django.core.mail.EmailMessage.send", raises)
        assert "KeyError" in mail_sender.send(kept, only_due=False)
    mail_sender.send(kept, only_due=False)
    assert len(mail_server.mails) == 1


def test_a_mail_that_no_server_takes_for_days_is_given_up(
    mail_server: MailServer, kept: config.Site, caplog: Any
) -> None:
    mail_server.stop()
    outbox.put(kept, outbox.Mail("old", "text", at=time.time() - 4 * 86400), 0)
    mail_sender.send(kept, only_due=True)
    assert outbox.waiting(kept) == [] and "is given up" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LINOD_MAIL_TO", "admin@example.org"),
        ("LINOD_MAIL_TO", [("Admin", "admin@example.org")]),
        ("LINOD_HISTORY_DAYS", "90"),
        ("LINOD_MAIL_PAUSE_SECONDS", None),
    ],
)
def test_a_setting_that_is_wrong_is_found_by_check(name: str, value: object) -> None:
    assert checks.check_settings(None) == []
    with override_settings(**{name: value}):
        (found,) = checks.check_settings(None)
    assert name in found.msg
