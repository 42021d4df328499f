"""Backfill: a past slot of a rule that a person asked for, and whose run has not begun."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from linod_systemd import clock
from linod_systemd.store.writer import WriterQuerySet


class BackfillQuerySet(WriterQuerySet["Backfill"]):
    """The queries of backfills, oldest slot first."""

    def of_slot(self, rule: str, slot: int) -> BackfillQuerySet:
        """That of an occurrence (seconds since the epoch) of the rule of this name."""
        return self.filter(rule_name=rule, slot=slot)


class Backfill(models.Model):
    """The row goes when the run begins: the job tells the rest."""

    rule_name = models.CharField(max_length=200)
    slot = models.BigIntegerField(help_text="In seconds since the epoch (UTC), as Job.scheduled_for.")
    forced = models.BooleanField(default=False, help_text="Also where the slot has run already.")
    by = models.CharField(max_length=150, blank=True, default="", help_text="The user who asked for it.")
    asked_at = models.DateTimeField(default=clock.now)

    objects: ClassVar[Any] = BackfillQuerySet.as_manager()

    class Meta:
        ordering = ("slot", "pk")
        constraints = (
            models.UniqueConstraint(fields=("rule_name", "slot"), name="linod_one_backfill_of_a_slot"),
        )

    def __str__(self) -> str:
        return f"{self.rule_name} for {clock.from_slot(self.slot).isoformat(' ', 'seconds')}"
