"""Pause: a time in which a rule, or the whole site, is not run. It ends by itself, without catching up."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.db import models

from linod_systemd import clock

WHOLE_SITE = ""  # in the place of a rule's name


class PauseQuerySet(models.QuerySet["Pause"]):
    def of(self, rule: str) -> PauseQuerySet:
        """Those of the rule of this name, and of the whole site."""
        return self.filter(rule_name__in=(rule, WHOLE_SITE))

    def at(self, instant: datetime) -> PauseQuerySet:
        """Those that hold at an instant (aware): from their beginning on, and no more at their end."""
        moment = clock.to_database(instant)
        return self.filter(since__lte=moment, until__gt=moment)

    def overlapping(self, since: datetime, until: datetime) -> PauseQuerySet:
        """Those that hold at some time between two instants (aware)."""
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


def holding(rule: str, now: datetime) -> Pause | None:
    """The pause that holds a rule, by itself or with the site: the one that ends last."""
    found: Pause | None = Pause.objects.of(rule).at(now).last()
    return found


def until(rule: str, now: datetime) -> datetime | None:
    """Until when a rule is paused (UTC), by itself or with the site; None: it is not."""
    last = holding(rule, now)
    return None if last is None else clock.from_database(last.until)


def current(now: datetime) -> dict[str, datetime]:
    """The pauses that hold now: name of the rule (or WHOLE_SITE) → end (UTC)."""
    held = Pause.objects.at(now).values_list("rule_name", "until")  # by their end: the last one counts
    return {rule: clock.from_database(end) for rule, end in held}
