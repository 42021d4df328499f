"""The procedures of the demo site, in the order and with the intervals of Lino's.

The first of the seven, clear_too_old_job_history, is the app's own.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from linod_systemd import schedule_daily, schedule_often
from linod_systemd.demo import checking, mailing, summaries
from linod_systemd.demo.models import Attendance, MailMode, Message

BATCH = 1000


@schedule_often(every=300)
def event_notification_scheduler(ar: Any) -> None:
    """Tell each attendee of an event that it is near, once."""
    now = timezone.now()
    near = now + timedelta(minutes=settings.LINOD_EVENT_NOTICE_MINUTES)
    waiting = Attendance.objects.filter(
        notified__isnull=True, event__start__gt=now, event__start__lte=near, user__is_active=True
    )
    told = 0
    for attendance in waiting.select_related("event", "user"):
        with transaction.atomic():
            # The conditional update decides: of two that look at once, one tells. It asks this table
            # alone; PostgreSQL would not look again into a subquery after it has waited for the other.
            if not Attendance.objects.filter(pk=attendance.pk, notified=None).update(notified=now):
                continue
            start = timezone.localtime(attendance.event.start)
            Message.objects.create(
                user=attendance.user,
                subject=f"{attendance.event.title} starts at {start:%H:%M}",
                body=f"{attendance.event.title}: {start:%A %d %B %Y, %H:%M}",
            )
        told += 1
    ar.info("told %d attendees", told)


@schedule_daily()
def checksummaries(ar: Any) -> None:
    """Recompute what the jobs of each rule did on each day, and correct what differs."""
    ar.info("%s", summaries.recompute())


@schedule_daily()
def checkdata(ar: Any) -> None:
    """Run all data checkers."""
    ar.info("%s", checking.check_all())


@schedule_often(every=10)
def send_pending_emails_often(ar: Any) -> None:
    """Mail each message to the users who want them often."""
    mailing.send_each(Message.objects.pending(MailMode.OFTEN), ar.logger)


@schedule_daily()
def send_pending_emails_daily(ar: Any) -> None:
    """Mail one digest to each user who wants mail daily."""
    mailing.send_digests(Message.objects.pending(MailMode.DAILY), ar.logger)


@schedule_daily()
def clear_seen_messages(ar: Any) -> None:
    """Delete the messages that were seen long ago (LINOD_SEEN_MESSAGE_DAYS)."""
    days = settings.LINOD_SEEN_MESSAGE_DAYS
    old = Message.objects.filter(seen__lt=timezone.now() - timedelta(days=days)).order_by("pk")
    deleted = 0
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        deleted += Message.objects.filter(pk__in=batch).delete()[0]
    ar.info("deleted %d messages that were seen more than %d days ago", deleted, days)
