"""Users with a mail mode, messages, events, problems, summaries."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

# Longer than the server may take for one mail (EMAIL_TIMEOUT for each of its few answers).
HAND_OVER = timedelta(minutes=15)
SHORTEST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)


class MailMode(models.TextChoices):
    """How a user wants messages by mail."""

    NEVER = "never"
    OFTEN = "often"
    DAILY = "daily"


class User(AbstractUser):
    """Someone who gets messages."""

    mail_mode = models.CharField(max_length=10, choices=MailMode.choices, default=MailMode.OFTEN)


class MessageQuerySet(models.QuerySet["Message"]):
    def waiting(self, now: datetime) -> MessageQuerySet:
        """Those that were not handed over yet, and whose wait after a refusal is over."""
        over = models.Q(not_before__isnull=True) | models.Q(not_before__lte=now)
        return self.filter(over, sent__isnull=True, handed_over__isnull=True)

    def unknown(self, now: datetime) -> MessageQuerySet:
        """Those that were handed over, and nobody knows whether the server took them: the run died."""
        return self.filter(sent__isnull=True, handed_over__lte=now - HAND_OVER)

    def pending(self, mode: MailMode) -> MessageQuerySet:
        """Those still to be mailed, to active users of this mail mode, oldest first."""
        mailed = self.waiting(timezone.now()).filter(
            seen__isnull=True, user__mail_mode=mode, user__is_active=True
        )
        return mailed.exclude(user__email="").select_related("user").order_by("created", "pk")


class Message(models.Model):
    """Something to tell a user: on the site, and by mail."""

    user = models.ForeignKey(User, models.CASCADE, related_name="messages")
    subject = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    created = models.DateTimeField(default=timezone.now)
    sent = models.DateTimeField(null=True, blank=True)
    seen = models.DateTimeField(null=True, blank=True)
    not_before = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="It was refused, and waits until then.",
    )
    handed_over = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When the mail server was about to get it: it is never handed over twice by itself.",
    )

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ("-created", "-pk")

    def __str__(self) -> str:
        return self.subject

    def hand_over(self) -> bool:
        """Mark it before the server gets it; whether it was still to be mailed.

        Who finds it marked does not mail it, whatever has become of the run: a person decides then.
        """
        now = timezone.now()
        return Message.objects.filter(pk=self.pk).waiting(now).update(handed_over=now) == 1

    def take_back(self) -> None:
        """Undo the mark: the server has not got it."""
        Message.objects.filter(pk=self.pk).update(handed_over=None)

    def postpone(self) -> None:
        """Try again when it is twice as old as now: the server is not asked the same at every run."""
        now = timezone.now()
        wait = min(max(now - self.created, SHORTEST_WAIT), LONGEST_WAIT)
        Message.objects.filter(pk=self.pk).update(handed_over=None, not_before=now + wait)


class Event(models.Model):
    """Something that users attend."""

    title = models.CharField(max_length=200)
    start = models.DateTimeField()
    duration = models.DurationField(default=timedelta(hours=1))
    attendees: ClassVar[models.ManyToManyField[User, Attendance]] = models.ManyToManyField(
        User, through="Attendance", related_name="events"
    )

    class Meta:
        ordering = ("start",)

    def __str__(self) -> str:
        return self.title

    def clean(self) -> None:
        if self.duration is not None and self.duration <= timedelta(0):  # full_clean() says what is empty
            raise ValidationError({"duration": "An event takes some time."})


class Attendance(models.Model):
    """A user at an event, and when they were told that it is near."""

    event = models.ForeignKey(Event, models.CASCADE)
    user = models.ForeignKey(User, models.CASCADE)
    notified = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("event", "user"), name="demo_attends_once"),)

    def __str__(self) -> str:
        return f"{self.user} at {self.event}"


class Problem(models.Model):
    """A problem that a checker found in a row."""

    checker = models.CharField(max_length=100)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=64)
    row = GenericForeignKey("content_type", "object_id")
    message = models.TextField()
    found = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("checker", "content_type", "object_id", "message"), name="demo_problem_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.content_type.model} #{self.object_id}: {self.message}"


class Summary(models.Model):
    """The sums of the jobs of a rule on a day."""

    rule_name = models.CharField(max_length=200)
    day = models.DateField()
    runs = models.PositiveIntegerField()
    failures = models.PositiveIntegerField()
    seconds = models.FloatField()

    class Meta:
        verbose_name_plural = "summaries"
        ordering = ("-day", "rule_name")
        constraints = (models.UniqueConstraint(fields=("rule_name", "day"), name="demo_summary_once"),)

    def __str__(self) -> str:
        return f"{self.rule_name} on {self.day}"
