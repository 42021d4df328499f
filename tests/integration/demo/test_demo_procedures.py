"""The procedures of the demo site: events, seen messages; and the site itself."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connections
from django.test import Client, override_settings
from django.utils import timezone

from linod_systemd.demo import procedures
from linod_systemd.demo.data import demo_data
from linod_systemd.demo.models import Attendance, Event, Message, User
from linod_systemd.models import JobRule
from linod_systemd.procedures import Procedures
from linod_systemd.tasks import Tasks
from tests.integration.conftest import Run
from tests.support.demo_rows import event, user

pytestmark = pytest.mark.django_db

SEVEN = [
    ("clear_too_old_job_history", "daily", 1),
    ("event_notification_scheduler", "secondly", 300),
    ("checksummaries", "daily", 1),
    ("checkdata", "daily", 1),
    ("send_pending_emails_often", "secondly", 10),
    ("send_pending_emails_daily", "daily", 1),
    ("clear_seen_messages", "daily", 1),
]


def test_the_seven_in_their_order() -> None:
    found = [(one.name, one.every_unit, one.every_value) for one in Procedures]
    assert found == SEVEN
    Tasks().setup()
    assert list(JobRule.objects.values_list("name", flat=True)) == [name for name, _, _ in SEVEN]


def test_the_models_and_the_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
    assert run_checks() == []


# event_notification_scheduler


def test_each_attendee_is_told_once(run: Run) -> None:
    anna, ben = user("anna"), user("ben")
    event(30, anna, ben)
    event(3000, anna, title="Far away")
    event(-5, anna, title="Over")
    run("event_notification_scheduler")
    run("event_notification_scheduler")
    told = Message.objects.order_by("user__username").values_list("user__username", flat=True)
    assert list(told) == ["anna", "ben"]
    assert Message.objects.filter(subject__startswith="Meeting starts at").count() == 2


def test_who_comes_later_is_told_too(run: Run) -> None:
    meeting = event(30, user("anna"))
    run("event_notification_scheduler")
    meeting.attendees.add(user("ben"))
    run("event_notification_scheduler")
    assert Message.objects.filter(user__username="anna").count() == 1
    assert Message.objects.filter(user__username="ben").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_at_once_tell_each_once(run: Run) -> None:
    event(30, *(user(f"user{number}") for number in range(20)))
    gate, troubles = threading.Barrier(2), list[BaseException]()
    ar = type("Quiet", (), {"info": staticmethod(lambda *_: None)})

    def tell() -> None:
        try:
            gate.wait(10)
            procedures.event_notification_scheduler(ar)
        except BaseException as trouble:
            troubles.append(trouble)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=tell) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert troubles == []
    assert Message.objects.count() == 20
    assert not Attendance.objects.filter(notified=None).exists()


# clear_seen_messages


@override_settings(LINOD_SEEN_MESSAGE_DAYS=7)
def test_messages_seen_long_ago_are_deleted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procedures, "BATCH", 2)
    anna, now = user("anna"), timezone.now()
    for subject, seen in (("old", 8), ("new", 6), ("unseen", None)):
        for _ in range(5):
            Message.objects.create(
                user=anna,
                subject=subject,
                created=now - timedelta(days=20),
                seen=now - timedelta(days=seen) if seen else None,
            )
    run("clear_seen_messages")
    assert set(Message.objects.values_list("subject", flat=True)) == {"new", "unseen"}
    assert Message.objects.count() == 10


# the site


def test_demo_data_gives_work_to_the_procedures_and_comes_once(run: Run) -> None:
    demo_data()
    counts = [model.objects.count() for model in (User, Message, Event, Attendance)]
    demo_data()
    assert [model.objects.count() for model in (User, Message, Event, Attendance)] == counts
    messages = Message.objects.count()
    run("event_notification_scheduler")
    assert Message.objects.count() > messages
    run("clear_seen_messages")
    assert not Message.objects.filter(subject="Old news").exists()


def test_the_admin_shows_every_model(client: Client) -> None:
    demo_data()
    client.force_login(User.objects.create_superuser("boss", "boss@example.org"))
    assert client.get("/").headers["Location"] == "/admin/"
    for page in ("", *(f"linod_demo/{name}/" for name in ("user", "message", "event", "problem", "summary"))):
        assert client.get(f"/admin/{page}").status_code == 200
    for row in (User.objects.first(), Event.objects.first()):
        assert row is not None
        assert client.get(f"/admin/linod_demo/{row._meta.model_name}/{row.pk}/change/").status_code == 200
