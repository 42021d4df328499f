"""The words in which rows speak: how a job ended, what started it, who cancelled its rule."""

from __future__ import annotations

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


class Trigger(models.TextChoices):
    """What started a job."""

    TIMER = "timer"
    CATCH_UP = "catch_up"
    MANUAL = "manual"
    RETRY = "retry"


class CancelledBy(models.TextChoices):
    """Who cancelled a rule; ``Tasks.setup()`` enables again what a failure cancelled, what has come back."""

    NOBODY = "", "nobody"
    FAILURE = "failure"
    PERSON = "person"
    VANISHED = "vanished"

    @property
    def in_words(self) -> str:
        """What a status says of such a rule."""
        if self == CancelledBy.VANISHED:
            return "its procedure is gone from the code"
        return f"cancelled by a {self.value}" if self.value else "live"
