"""JobRule, its queries and its changes. Django finds Backfill, Job and Pause here, too."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from linod_systemd import clock
from linod_systemd.errors import RefusedRule
from linod_systemd.jobs import skipped
from linod_systemd.procedures import LogLevels
from linod_systemd.recurrence.fields import NAMES
from linod_systemd.recurrence.recurrence_set import UNITS, WEEKDAYS, RecurrenceError
from linod_systemd.rules import ordering
from linod_systemd.rules.rule import Rule
from linod_systemd.rules.validate import check_rule
from linod_systemd.store import export, rule_store
from linod_systemd.store.backfill import Backfill
from linod_systemd.store.choices import CancelledBy
from linod_systemd.store.job import Job
from linod_systemd.store.pause import Pause
from linod_systemd.store.rule_store import StoredRule
from linod_systemd.store.writer import WriterQuerySet
from linod_systemd.systemd import time_zones

__all__ = ["Backfill", "Job", "JobRule", "Pause"]

ROW_FIELDS = frozenset(field.name for field in fields(Rule)) - {"weekdays", "paused_until"}
FIELD_OF = {"weekdays": WEEKDAYS[0]}  # seven fields of the row are one of the recurrence

# The columns that say when a rule is due: seven of them are the weekdays.
DUE_COLUMNS = (*(name for name in NAMES if name != "weekdays"), *WEEKDAYS, "jitter", "run_after")


def transition(changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what else a change of a rule's columns sets, whether by save() or by update(): column → value.

    Example: ``{"cancelled": False}`` also sets ``live_since`` to now, so that the past does not fire the
    rule, and empties ``cancelled_by``, ``cancelled_at`` and ``cancelled_note``.

    :param changed: the columns that change, with their new values.
    """
    now = clock.now()
    further: dict[str, Any] = {}
    if changed.get("cancelled"):
        further = {"cancelled_at": now, "cancelled_by": CancelledBy.PERSON}
    elif "cancelled" in changed:
        further = {"cancelled_at": None, "cancelled_by": CancelledBy.NOBODY, "cancelled_note": ""}
    is_live_anew = changed.get("cancelled") is False
    if is_live_anew or "name" in changed or changed.keys() & set(DUE_COLUMNS):
        further["live_since"] = now
    return {name: value for name, value in further.items() if name not in changed}


class JobRuleQuerySet(WriterQuerySet["JobRule"]):
    """Every way to change rules ends in rules.json being written anew, on commit."""

    def live(self) -> JobRuleQuerySet:
        return self.filter(cancelled=False)

    def update(self, **values: Any) -> int:
        if values.get("cancelled") is False:
            for rule in self.filter(cancelled=True):
                skipped.note_cancelled(rule.stored())
        asked = list(self.values_list("name", flat=True)) if "requested_at" in values else []
        changed = super().update(**values | transition(values))
        for name in asked:
            export.request_on_commit(name, wanted=values["requested_at"] is not None, using=self.db)
        export.on_commit(self.db)
        return changed

    def bulk_create(self, objs: Iterable[JobRule], *args: Any, **kwargs: Any) -> list[JobRule]:
        created = super().bulk_create(objs, *args, **kwargs)
        export.on_commit(self.db)
        return created

    def cancel(self, by: CancelledBy, note: str = "") -> int:
        """Cancel the live ones among these; the number of those changed."""
        return self.live().update(cancelled=True, cancelled_by=by, cancelled_note=note[:200])

    def enable(self) -> int:
        """Enable the cancelled ones among these; the number of those changed."""
        return self.filter(cancelled=True).update(cancelled=False)

    def request(self) -> int:
        """Ask systemd to run these now; the number of those asked for."""
        return self.update(requested_at=clock.now())


class JobRule(models.Model):
    """A procedure, when it is due (a recurrence), and how to run it."""

    name = models.CharField(max_length=200, unique=True)
    procedure = models.CharField(max_length=200)
    mirrors = models.CharField(
        max_length=100,
        blank=True,
        default="",
        editable=False,
        db_index=True,
        help_text="The row of the site's own that this rule mirrors, such as linod.SystemTask:3.",
    )
    seqno = models.PositiveIntegerField("sequence number", default=0)
    cancelled = models.BooleanField(default=False)
    cancelled_by = models.CharField(
        max_length=10, choices=CancelledBy.choices, default=CancelledBy.NOBODY, blank=True, editable=False
    )
    cancelled_at = models.DateTimeField(null=True, blank=True, editable=False)
    cancelled_note = models.CharField(max_length=200, blank=True, default="", help_text="Why.")
    log_level = models.CharField(
        max_length=10,
        choices=[(level.value, level.value) for level in LogLevels],
        default=LogLevels.INFO.value,
        help_text="What goes into the message of a job.",
    )

    every_unit = models.CharField(max_length=12, choices=[(unit, unit) for unit in UNITS], default="daily")
    every = models.PositiveIntegerField(default=1)
    start_date = models.DateField(default=clock.today)
    start_time = models.TimeField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)
    end_time = models.TimeField(null=True, blank=True)
    max_events = models.PositiveIntegerField(null=True, blank=True)
    positions = models.CharField(
        max_length=200, blank=True, default="", help_text="For example “1 -1”: the first and the last."
    )
    monday = models.BooleanField(default=False)
    tuesday = models.BooleanField(default=False)
    wednesday = models.BooleanField(default=False)
    thursday = models.BooleanField(default=False)
    friday = models.BooleanField(default=False)
    saturday = models.BooleanField(default=False)
    sunday = models.BooleanField(default=False)
    timezone = models.CharField(
        max_length=64, blank=True, default="", help_text="The site's time zone if empty."
    )

    jitter = models.PositiveIntegerField(default=0, help_text="Seconds of delay, the same each time.")
    catch_up = models.BooleanField(
        null=True,
        blank=True,
        help_text="Make up once for runs missed while the machine was off. "
        "Unknown: yes for a day and more, no below.",
    )
    timeout = models.PositiveIntegerField(default=7200, help_text="Seconds after which the job is killed.")
    retries = models.PositiveIntegerField(default=0, help_text="How often a failed job is tried again.")
    cancel_on_failure = models.PositiveIntegerField(
        default=1, help_text="Cancel the rule after so many failures in a row. 0: it goes on."
    )
    cancel_on_manual_failure = models.BooleanField(
        default=False, help_text="Cancel the rule also where a run fails that a person started."
    )
    missed_after = models.PositiveIntegerField(
        null=True, blank=True, help_text="Tell people where it has not succeeded for so many seconds."
    )
    run_after = models.JSONField(
        default=list, blank=True, help_text="Names of rules that go first when they are due together."
    )
    from_code = models.JSONField(
        null=True, blank=True, editable=False, help_text="What its decorator said when it was last followed."
    )
    requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    live_since = models.DateTimeField(
        default=clock.now, editable=False, help_text="Created, enabled or re-timed: nothing before it is due."
    )

    objects: ClassVar[Any] = JobRuleQuerySet.as_manager()

    class Meta:
        ordering = ("seqno", "pk")
        base_manager_name = "objects"
        permissions = (
            ("run_jobrule", "Can run a job rule now"),
            ("cancel_jobrule", "Can cancel a job rule"),
            ("enable_jobrule", "Can enable a job rule"),
            ("pause_jobrule", "Can pause a job rule"),
            ("setup_jobrule", "Can set up tasks"),
            ("skip_jobrule", "Can skip the next run of a job rule"),
            ("backfill_jobrule", "Can run a job rule for past slots"),
        )

    def __str__(self) -> str:
        """As in Lino: ``Job rule #4 <Procedures.checkdata every 1 daily>``."""
        return f"Job rule #{self.pk} <Procedures.{self.procedure} every {self.every} {self.every_unit}>"

    @property
    def weekdays(self) -> tuple[str, ...]:
        """The ticked weekdays."""
        return tuple(day for day in WEEKDAYS if getattr(self, day))

    def as_rule(self) -> Rule:
        """This row as an entry of rules.json."""
        values = {field.name: getattr(self, field.name) for field in fields(Rule) if field.name in ROW_FIELDS}
        values |= {"weekdays": self.weekdays, "timezone": self.timezone or None}
        values["cancel_on_failure"] = {0: False, 1: True}.get(self.cancel_on_failure, self.cancel_on_failure)
        return Rule(**values | {"run_after": tuple(self.run_after)})

    def stored(self, site: str | None = None) -> StoredRule:
        """This row as a rule, with how it stands.

        :param site: its name, which is looked up in SITE.toml otherwise: once is enough for many rows.
        """

        def find(name: str) -> Rule | None:
            row = JobRule.objects.filter(name=name).first()
            return None if row is None else row.as_rule()

        def instant(value: datetime | None) -> datetime | None:
            return None if value is None else clock.from_database(value)

        return StoredRule(
            rule=self.as_rule(),
            site=site or rule_store.current().site.name,
            timezone=settings.TIME_ZONE,
            find=find,
            row=self,
            label=str(self),
            cancelled_by=self.cancelled_by,
            cancelled_note=self.cancelled_note,
            cancelled_at=instant(self.cancelled_at),
            live_since=instant(self.live_since),
            requested_at=instant(self.requested_at),
            is_mirror=bool(self.mirrors),
        )

    def run(self, ar: Any = None, lgr: logging.Logger | None = None) -> Job:
        """Run it now, in this process, as Lino's JobRule.run() does; the job, which has ended.

        :param ar: what the procedure is called with; by default a request of this run.
        :param lgr: where the request logs to; its records reach the job's message, too.
        :raises AlreadyRunning: where its run has not ended.
        """
        from linod_systemd.runner import execute  # which asks the store, and that asks for rows of this

        return execute.run_by_hand(rule_store.current().site, self.name, ar, lgr)

    def clean(self) -> None:
        """Judge the rule when it is saved by a person.

        :raises ValidationError: on the field, with the reason.
        """
        if self.start_date is None or self.every is None:
            return  # the field's own validation has spoken
        self._check_run_after()
        try:
            check_rule(self.as_rule(), settings.TIME_ZONE)
        except RecurrenceError as error:
            raise ValidationError({FIELD_OF.get(error.field, error.field): error.reason}) from error
        except RefusedRule as error:
            raise ValidationError({error.field: str(error)} if error.field else str(error)) from error
        if lacks := time_zones.trouble(self.timezone or settings.TIME_ZONE):
            raise ValidationError({"timezone": lacks})

    def _check_run_after(self) -> None:
        """:raises ValidationError: for what is no list of rules' names, or a circle."""
        if not isinstance(self.run_after, list) or not all(isinstance(name, str) for name in self.run_after):
            raise ValidationError({"run_after": 'must be a list of names, such as ["checkdata"]'})
        others = JobRule.objects.exclude(pk=self.pk).values_list("name", "run_after")
        run_after = {**dict(others), self.name: self.run_after}
        for name in self.run_after:
            if name not in run_after:
                raise ValidationError({"run_after": f"no rule is named {name!r}"})
        if circle := ordering.circle(run_after):
            raise ValidationError({"run_after": f"a circle: {ordering.in_words(circle)}"})

    def save(self, *args: Any, **kwargs: Any) -> None:
        before = JobRule.objects.filter(pk=self.pk).first() if self.pk else None
        changed = self._changed(before)
        for name, value in transition(changed).items():
            setattr(self, name, value)
        if before is not None and changed.get("cancelled") is False:
            skipped.note_cancelled(before.stored())
        super().save(*args, **kwargs)
        if before is not None and before.name != self.name:
            Pause.objects.filter(rule_name=before.name).update(rule_name=self.name)
            Backfill.objects.filter(rule_name=before.name).update(rule_name=self.name)
        if self.requested_at != (before.requested_at if before else None):
            export.request_on_commit(self.name, wanted=self.requested_at is not None, using=self._state.db)

    def _changed(self, before: JobRule | None) -> dict[str, Any]:
        """Return the columns that say how the rule stands and that differ from the row as it was."""
        if before is None:
            changed: dict[str, Any] = {"cancelled": True} if self.cancelled else {}
        else:
            names = ("name", "cancelled", *DUE_COLUMNS)
            values = {name: getattr(self, name) for name in names}
            changed = {name: value for name, value in values.items() if getattr(before, name) != value}
        if changed.get("cancelled") and self.cancelled_by:
            changed["cancelled_by"] = self.cancelled_by  # whoever cancels it may say so
        return changed
