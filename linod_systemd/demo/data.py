"""``linod demo-data``: something for the procedures to do."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from linod_systemd.demo.models import Attendance, Event, MailMode, Message, User

PEOPLE = (
    ("anna", MailMode.OFTEN),
    ("ben", MailMode.OFTEN),
    ("carla", MailMode.DAILY),
    ("dirk", MailMode.NEVER),
)


@transaction.atomic
def demo_data() -> str:
    """Make users, messages and events; a second call renews the events and adds nothing else."""
    now = timezone.now()
    users = []
    for name, mode in PEOPLE:
        user, created = User.objects.get_or_create(
            username=name, defaults={"email": f"{name}@example.org", "mail_mode": mode}
        )
        if created:
            user.set_unusable_password()
            user.save()
            _messages(user)
        users.append(user)
    for title, minutes in (("Team meeting", 40), ("Lunch together", 180), ("Release day", 2880)):
        event, _ = Event.objects.update_or_create(
            title=title, defaults={"start": now + timedelta(minutes=minutes)}
        )
        for user in users:
            Attendance.objects.update_or_create(event=event, user=user, defaults={"notified": None})
    counts = (
        f"{User.objects.count()} users, {Message.objects.count()} messages, {Event.objects.count()} events"
    )
    return f"The demo site has {counts}."


def _messages(user: User) -> None:
    now = timezone.now()
    for number in range(3):
        Message.objects.create(user=user, subject=f"News {number + 1}", body=f"Hello {user.username}!")
    old = now - timedelta(days=40)
    Message.objects.create(user=user, subject="Old news", created=old, sent=old, seen=old)
