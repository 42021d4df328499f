"""The pending mails of the demo site, over a real SMTP server."""

from __future__ import annotations

import socket
import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from linod_systemd.demo import mailing
from linod_systemd.demo.models import MailMode, Message, Problem, User
from linod_systemd.models import Job, JobRule
from linod_systemd.procedures import Procedures
from linod_systemd.runner import execute
from linod_systemd.sites import config
from linod_systemd.store.choices import Status
from linod_systemd.tasks import Tasks
from tests.integration.conftest import MailServer, Run, mailed_by
from tests.support.demo_rows import user, write

pytestmark = pytest.mark.django_db

OFTEN, DAILY = "send_pending_emails_often", "send_pending_emails_daily"


def pending() -> list[str]:
    unsent = Message.objects.filter(sent__isnull=True)
    return sorted(unsent.values_list("user__username", flat=True))


def wait_is_over() -> None:
    """As if the time had passed that a refused message waits for its next try."""
    Message.objects.update(not_before=None)


def test_each_message_is_mailed_once(run: Run, mail_server: MailServer) -> None:
    anna, ben = user("anna"), user("ben")
    for to in (anna, anna, ben):
        write(to, "Grüße\nund mehr")
    run(OFTEN)
    run(OFTEN)
    assert mail_server.recipients() == ["anna@example.org", "anna@example.org", "ben@example.org"]
    assert mail_server.mails[0]["Subject"] == "Grüße und mehr"
    assert mail_server.mails[0].get_content().startswith("Grüße")
    assert pending() == []


def test_only_to_those_who_want_it(run: Run, mail_server: MailServer) -> None:
    write(user("wants"))
    write(user("never", MailMode.NEVER))
    write(user("daily", MailMode.DAILY))
    write(user("gone", is_active=False))
    write(user("unknown", email=""))
    write(user("reader"), seen=timezone.now())
    run(OFTEN)
    assert mail_server.recipients() == ["wants@example.org"]


def test_while_the_server_is_down_they_stay_pending_and_go_out_later(
    run: Run, mail_server: MailServer
) -> None:
    for name in ("anna", "ben"):
        write(user(name))
    mail_server.stop()
    with pytest.raises(Warning, match="2 mails stay pending"):
        run(OFTEN)
    assert pending() == ["anna", "ben"]
    mail_server.start()
    run(OFTEN)
    assert mail_server.recipients() == ["anna@example.org", "ben@example.org"]
    assert pending() == []


def test_a_server_that_never_answers_does_not_hold_up_the_job(run: Run, mail_server: MailServer) -> None:
    write(user("anna"))
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with mailed_by(port, timeout=0.2), pytest.raises(Warning, match="timed out"):
            run(OFTEN)
    run(OFTEN)
    assert mail_server.recipients() == ["anna@example.org"]


def test_a_refused_recipient_does_not_block_the_others(
    run: Run, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("anna", "bad", "carl"):
        write(user(name))
    mail_server.refused = {"bad@example.org"}
    run(OFTEN)
    assert mail_server.recipients() == ["anna@example.org", "carl@example.org"]
    assert pending() == ["bad"]
    assert "bad@example.org" in caplog.text and "No such user here" in caplog.text


def test_a_refused_mail_is_tried_again_but_not_at_every_run(run: Run, mail_server: MailServer) -> None:
    write(user("bad"))
    mail_server.refused = {"bad@example.org"}
    for _ in range(3):
        run(OFTEN)
    assert mail_server.asked == ["bad@example.org"]
    mail_server.refused = set()
    wait_is_over()
    run(OFTEN)
    assert mail_server.recipients() == ["bad@example.org"]


@pytest.mark.parametrize("age, wait", [(1, 60), (3600, 3600), (7 * 86400, 6 * 3600)])
def test_the_wait_grows_with_the_age_of_the_message(
    run: Run, mail_server: MailServer, age: int, wait: int
) -> None:
    message = write(user("bad"), created=timezone.now() - timedelta(seconds=age))
    mail_server.refused = {"bad@example.org"}
    run(OFTEN)
    message.refresh_from_db()
    assert message.not_before is not None
    assert abs((message.not_before - timezone.now()).total_seconds() - wait) < 5


@pytest.mark.parametrize("silently", [False, True])
def test_a_recipient_on_whom_the_server_hangs_up_does_not_block_the_others(
    run: Run, mail_server: MailServer, silently: bool
) -> None:
    for name in ("bad", "carl", "dora"):
        write(user(name))
    mail_server.cut_off, mail_server.hangs_up_silently = {"bad@example.org"}, silently
    run(OFTEN)
    assert mail_server.recipients() == ["carl@example.org", "dora@example.org"]
    assert pending() == ["bad"]


def test_a_server_that_hangs_up_on_everyone_is_away(run: Run, mail_server: MailServer) -> None:
    names = [f"user{number}" for number in range(9)]
    for name in names:
        write(user(name))
    mail_server.cut_off = {f"{name}@example.org" for name in names}
    with pytest.raises(Warning, match="stay pending"):
        run(OFTEN)
    assert len(mail_server.asked) < len(names)
    assert pending() == names


def test_a_sender_that_is_refused_leaves_all_as_it_was(run: Run, mail_server: MailServer) -> None:
    write(user("anna"))
    mail_server.refused_senders = {"linod@localhost"}
    with pytest.raises(Warning, match="Sender not allowed"):
        run(OFTEN)
    mail_server.refused_senders = set()
    run(OFTEN)
    assert mail_server.recipients() == ["anna@example.org"]


def test_an_address_that_is_none_does_not_block_the_others(run: Run, mail_server: MailServer) -> None:
    for name, email in (("a", "no address at all"), ("b", "x@exa\nmple.org"), ("c", "c@example.org")):
        write(user(name, email=email))
    run(OFTEN)
    assert "c@example.org" in mail_server.recipients()
    assert "b" in pending()


def test_one_digest_for_each_user(run: Run, mail_server: MailServer) -> None:
    anna, ben = user("anna", MailMode.DAILY), user("ben", MailMode.DAILY)
    for number in range(3):
        write(anna, f"News {number}")
        write(ben, f"Notes {number}")
    write(user("often"))
    run(DAILY)
    run(DAILY)
    assert mail_server.recipients() == ["anna@example.org", "ben@example.org"]
    text = next(mail for mail in mail_server.mails if mail["To"] == "anna@example.org").get_content()
    assert [f"News {number}" in text for number in range(3)] == [True] * 3
    assert "Notes" not in text
    assert pending() == ["often"]


def test_a_refused_digest_stays_pending_whole(run: Run, mail_server: MailServer) -> None:
    for to in (user("bad", MailMode.DAILY), user("good", MailMode.DAILY)):
        write(to, "One")
        write(to, "Two")
    mail_server.refused = {"bad@example.org"}
    run(DAILY)
    assert mail_server.recipients() == ["good@example.org"]
    assert pending() == ["bad", "bad"]


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_mail_each_message_once(run: Run, mail_server: MailServer) -> None:
    people = [user(f"user{number}") for number in range(20)]
    for to in people:
        write(to)
    gate = threading.Barrier(2)
    troubles: list[BaseException] = []

    def send() -> None:
        try:
            gate.wait(10)
            mailing.send_each(Message.objects.pending(MailMode.OFTEN), execute.logger)
        except BaseException as trouble:
            troubles.append(trouble)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert troubles == []
    assert mail_server.recipients() == sorted(to.email for to in people)


def test_a_run_that_began_with_an_older_list_sends_nothing_twice(run: Run, mail_server: MailServer) -> None:
    write(user("anna"))
    older = Message.objects.pending(MailMode.OFTEN)
    assert len(older) == 1  # it is read now
    run(OFTEN)
    mailing.send_each(older, execute.logger)
    assert mail_server.recipients() == ["anna@example.org"]


def test_what_a_killed_run_handed_over_is_listed_and_not_sent_again(
    run: Run, mail_server: MailServer, client: Client
) -> None:
    message = write(user("anna"))
    assert message.hand_over()  # and here the run was killed
    Message.objects.update(handed_over=timezone.now() - timedelta(minutes=16))
    run(OFTEN)
    assert mail_server.mails == []
    run("checkdata")
    (problem,) = Problem.objects.filter(checker="mail_has_a_known_end")
    assert "nobody knows whether it was taken" in problem.message
    client.force_login(User.objects.create_superuser("root"))
    address = "/admin/linod_demo/message/"
    assert "1 message" in client.get(f"{address}?mail=unknown").content.decode()
    client.post(address, {"action": "send_again", "_selected_action": [message.pk]})
    run(OFTEN)
    assert mail_server.recipients() == ["anna@example.org"]
    run("checkdata")
    assert not Problem.objects.filter(checker="mail_has_a_known_end").exists()


def test_what_is_taken_for_sent_is_not_sent(run: Run, mail_server: MailServer, client: Client) -> None:
    message = write(user("anna"))
    assert message.hand_over()
    client.force_login(User.objects.create_superuser("root"))
    client.post("/admin/linod_demo/message/", {"action": "take_for_sent", "_selected_action": [message.pk]})
    message.refresh_from_db()
    assert message.sent == message.handed_over is not None


def test_connection_that_breaks_after_the_text_leaves_an_unknown_end(
    run: Run, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    message, other = write(user("anna")), write(user("ben"))
    mail_server.breaks_after_text = {"anna@example.org"}
    run(OFTEN)
    message.refresh_from_db()
    assert (message.sent, message.not_before) == (None, None) and message.handed_over is not None
    other.refresh_from_db()
    assert other.sent is not None
    assert "sent 1 mails, 0 were refused, the end of 1 is unknown" in caplog.text
    run(OFTEN)
    assert mail_server.recipients() == ["anna@example.org", "ben@example.org"]


@pytest.mark.django_db(transaction=True)
def test_a_mail_server_that_is_away_does_not_cancel_the_rule(mail_server: MailServer) -> None:
    write(user("anna"))
    mail_server.stop()
    procedure = Procedures.get(OFTEN)
    assert procedure is not None
    Tasks().create_rule(procedure)
    assert execute.execute(config.site_of_settings(config.DEMO_SETTINGS), OFTEN) == 0
    job = Job.objects.get()
    assert (job.status, "1 mails stay pending" in job.reason) == (Status.SUCCESS, True)
    assert not JobRule.objects.get(name=OFTEN).cancelled


def test_the_tests_use_a_file_in_wal_mode() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        assert cursor.fetchone() == ("wal",)
    assert str(connection.settings_dict["NAME"]).endswith("test.sqlite3")
