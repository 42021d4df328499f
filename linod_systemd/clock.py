"""Convert instants between the database, which may be naive, and the code: aware, in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.conf import settings
from django.utils import timezone


def utc_now() -> datetime:
    """Return the instant now, aware, in UTC."""
    return datetime.now(UTC)


def to_database(instant: datetime) -> datetime:
    """An aware instant as a DateTimeField takes it: naive local time where USE_TZ is off."""
    return instant if settings.USE_TZ else timezone.make_naive(instant, timezone.get_default_timezone())


def from_database(value: datetime) -> datetime:
    """Convert the value of a DateTimeField into an aware instant in UTC."""
    if timezone.is_naive(value):
        value = timezone.make_aware(value, timezone.get_default_timezone())
    return value.astimezone(UTC)


def to_slot(instant: datetime) -> int:
    """An aware instant as ``Job.scheduled_for``: seconds since the epoch."""
    return int(instant.timestamp())


def from_slot(seconds: int) -> datetime:
    """Convert a slot (seconds since 1970-01-01 UTC) into an aware instant in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def now() -> datetime:
    """This instant, as a DateTimeField takes it."""
    return to_database(utc_now())


def today() -> date:
    """Today on the wall clock of the site."""
    return utc_now().astimezone(timezone.get_default_timezone()).date()
