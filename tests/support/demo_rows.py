"""Rows of the demo site."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from linod_systemd.demo.models import Event, MailMode, Message, User

UNUSABLE = make_password(None)


def user(name: str, mode: str = MailMode.OFTEN, **values: object) -> User:
    """Someone with an address and no password."""
    defaults = {"username": name, "email": f"{name}@example.org", "mail_mode": mode, "password": UNUSABLE}
    return User.objects.create(**{**defaults, **values})


def write(to: User, subject: str = "Hello", **values: object) -> Message:
    """A message to a user."""
    return Message.objects.create(**{"user": to, "subject": subject, "body": f"{subject}, {to}!", **values})


def event(minutes: float, *attendees: User, title: str = "Meeting") -> Event:
    """An event that starts in so many minutes."""
    made = Event.objects.create(title=title, start=timezone.now() + timedelta(minutes=minutes))
    made.attendees.set(attendees)
    return made
