"""What is to be done, and how often."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models


class Chore(models.Model):
    """``off`` tells why it is not done any more."""

    title = models.CharField(max_length=100, unique=True)
    seconds = models.PositiveIntegerField(default=10)
    off = models.CharField(max_length=20, blank=True, default="")
    wanted_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = models.Manager()

    def __str__(self) -> str:
        return f"Chore {self.title} every {self.seconds} s"
