"""Pause: a time in which a rule, or the whole site, is not run. It ends by itself, without catching up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from django.db import models

from linod_systemd import clock
from linod_systemd.store.writer import WriterQuerySet

WHOLE_SITE = ""  # in the place of a rule's name


class PauseQuerySet(WriterQuerySet["Pause"]):
    """The queries of pauses."""

    def of(self, rule: str) -> PauseQuerySet:
        """Those of the rule of this name, and of the whole site."""
        return self.filter(rule_name__in=(rule, WHOLE_SITE))

    def overlapping(self, since: datetime, until: datetime) -> PauseQuerySet:
        """Those that hold at some time between two instants (aware); at its end a pause holds no more."""
        return self.filter(since__lte=clock.to_database(until), until__gt=clock.to_database(since))


class Pause(models.Model):
    """``rule_name`` is empty where the whole site is paused. Past ones stay, to tell why nothing ran."""

    rule_name = models.CharField(max_length=200, blank=True, default=WHOLE_SITE)
    since = models.DateTimeField()
    until = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True, default="")
    by = models.CharField(
        max_length=150, blank=True, default="", help_text="The name of the user who began it."
    )

    objects: ClassVar[Any] = PauseQuerySet.as_manager()

    class Meta:
        ordering = ("until", "pk")
        indexes = (models.Index(fields=("rule_name", "until"), name="linod_pause_of_rule"),)

    def __str__(self) -> str:
        whole = "the site was" if self.rule_name == WHOLE_SITE else "it was"
        until = clock.from_database(self.until).isoformat(" ", "seconds")
        return f"{whole} paused until {until}{self.remark}"

    @property
    def remark(self) -> str:
        """Its note and the user who began it, in brackets; empty where none is known.

        Example: `` (new disks; by anna)``.
        """
        said = [self.note] if self.note else []
        said += [f"by {self.by}"] if self.by else []
        return f" ({'; '.join(said)})" if said else ""

    def holds(self, rule: str) -> bool:
        """Whether the rule of this name is meant, by itself or with the whole site."""
        return self.rule_name in (rule, WHOLE_SITE)


def last_of(rule: str, pauses: Iterable[Pause]) -> Pause | None:
    """Return the pause of a rule, by itself or with the site, that ends last; None: it is not paused.

    :param pauses: those that hold at the instant in question, as RuleStore.pauses() gives them.
    """
    return max((one for one in pauses if one.holds(rule)), key=lambda one: one.until, default=None)


def end_of(rule: str, pauses: Iterable[Pause]) -> datetime | None:
    """Return until when a rule is paused (UTC), by itself or with the site; None: it is not."""
    last = last_of(rule, pauses)
    return None if last is None else clock.from_database(last.until)
