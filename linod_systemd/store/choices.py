"""The words of rows: how a job ended, who started it, who cancelled its rule."""

from __future__ import annotations

import enum

from django.db import models


class Status(models.TextChoices):
    """How a job is or ended."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"
    KILLED = "killed"
    LOST = "lost"
    SKIPPED = "skipped"


BAD_ENDS = (Status.FAILED, Status.TIMEOUT, Status.KILLED, Status.LOST)


class StopReason(enum.StrEnum):
    """The reasons of jobs that ended as somebody wanted them to: no failure of their rule."""

    TERMINATED = "terminated by SIGTERM"
    INTERRUPTED = "interrupted by SIGINT"
    KILLED_BY_TERM = "killed by SIGTERM"
    KILLED_BY_INT = "killed by SIGINT"
    WAS_DEAF = "it did not end when it was stopped, and was killed"
    SHUTDOWN = "shutdown: the machine was going down"


STOP_REASONS = tuple(StopReason)


class Trigger(models.TextChoices):
    """The starter of a job."""

    TIMER = "timer"
    CATCH_UP = "catch_up"
    MANUAL = "manual"
    RETRY = "retry"
    BACKFILL = "backfill"


class CancelledBy(models.TextChoices):
    """The one who cancelled a rule. ``Tasks.setup()`` enables what a failure cancelled, or what came back."""

    NOBODY = "", "nobody"
    FAILURE = "failure"
    PERSON = "person"
    VANISHED = "vanished"

    @property
    def in_words(self) -> str:
        """The words of a status line for such a rule."""
        if self == CancelledBy.VANISHED:
            return "its procedure is gone from the code"
        if self == CancelledBy.PERSON:
            return "cancelled by a person"
        return f"cancelled by a {self.value}" if self.value else "live"
