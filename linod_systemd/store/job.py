"""Job: one run of a rule, kept for ever; and the queries of jobs."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models

from linod_systemd import clock
from linod_systemd.common.batches import batched
from linod_systemd.store import raw_sql
from linod_systemd.store.choices import BAD_ENDS, STOP_REASONS, Status, Trigger
from linod_systemd.store.writer import WriterQuerySet

ROUNDING = timedelta(seconds=1)
RULES_AT_ONCE, EXPORTED_AT_ONCE = 100, 1000
STOPPED = models.Q(status=Status.KILLED, reason__in=STOP_REASONS)


class JobQuerySet(WriterQuerySet["Job"]):
    """The queries of jobs."""

    def running(self) -> JobQuerySet:
        return self.filter(status=Status.RUNNING)

    def started(self) -> JobQuerySet:
        """The jobs that ran: not the skipped ones."""
        return self.exclude(status=Status.SKIPPED)

    def of_slot(self, rule: str, due: datetime) -> JobQuerySet:
        """The one that stands for an occurrence (aware) of the rule of this name, retries apart."""
        return self.filter(rule_name=rule, scheduled_for=clock.to_slot(due), attempt=1)

    def under_way(self, rule: str, instant: datetime) -> JobQuerySet:
        """Those of the rule of this name that ran at an instant (as the database takes it)."""
        return self.started().filter(rule_name=rule, start_datetime__lte=instant, end_datetime__gt=instant)

    def before(self, instant: datetime) -> JobQuerySet:
        """Those that began before an instant (aware): none that a clock which was ahead has dated."""
        return self.filter(start_datetime__lte=clock.to_database(instant + ROUNDING))

    def last_start(self) -> datetime | None:
        """When the latest of those that ran began (UTC)."""
        last = self.started().before(clock.utc_now()).first()
        return None if last is None else clock.from_database(last.start_datetime)

    def last_slot(self) -> datetime | None:
        """The latest occurrence that one of these stands for (UTC), run or skipped."""
        latest = self._of_past_slots().aggregate(latest=models.Max("scheduled_for"))["latest"]
        return None if latest is None else clock.from_slot(latest)

    def last_slots(self, rules: Iterable[str]) -> dict[str, datetime]:
        """The latest occurrence (UTC) that a job of each of these rules stands for, run or skipped."""
        known = self._of_past_slots().order_by("-scheduled_for").first_of_each(rules)
        return {name: job.slot for name, job in known.items() if job.slot is not None}

    def slots_to_come(self, rules: Iterable[str]) -> dict[str, set[datetime]]:
        """The occurrences to come (UTC) of each of these rules that have a row: a person skips them."""
        found: dict[str, set[datetime]] = {}
        now = clock.to_slot(clock.utc_now())
        coming = self.filter(rule_name__in=list(rules), scheduled_for__gt=now, attempt=1)
        for name, slot in coming.values_list("rule_name", "scheduled_for"):
            found.setdefault(name, set()).add(clock.from_slot(slot or 0))
        return found

    def _of_past_slots(self) -> JobQuerySet:
        return self.filter(scheduled_for__lte=clock.to_slot(clock.utc_now()) + 1, attempt=1)

    def rule_names(self) -> list[str]:
        """The names of all rules that have jobs, in order: one query, with a step in the index for each."""
        return raw_sql.distinct(self.model, "rule_name", self.db)

    def oldest_first(self) -> Iterator[Job]:
        """All of these, oldest first: by keys, as a pooler may give each query another server's session."""
        ordered, after = self.order_by("start_datetime", "pk"), models.Q()
        while batch := list(ordered.filter(after)[:EXPORTED_AT_ONCE]):
            yield from batch
            last = batch[-1]
            later = models.Q(start_datetime=last.start_datetime, pk__gt=last.pk)
            after = models.Q(start_datetime__gt=last.start_datetime) | later

    def first_of_each(self, rules: Iterable[str]) -> dict[str, Job]:
        """The first of these, in their order, of each of the rules of these names; without their messages."""
        return {name: jobs[0] for name, jobs in self.first_few_of_each(rules, 1).items()}

    def first_few_of_each(self, rules: Iterable[str], number: int) -> dict[str, list[Job]]:
        """The first few of these, in their order, of each of the rules of these names that has any; without
        their messages. Two queries for a hundred rules, with a step in the index for each.
        """
        found: dict[str, list[Job]] = {}
        order = self.query.order_by or self.model._meta.ordering or ()
        for names in batched(rules, RULES_AT_ONCE):
            keys = raw_sql.keys_of([self.filter(rule_name=name)[:number] for name in names])
            jobs = self.model._default_manager.using(self.db).filter(pk__in=keys).defer("message")
            for job in jobs.order_by(*order):
                found.setdefault(job.rule_name, []).append(job)
        return found

    def bad_ends(self) -> JobQuerySet:
        return self.filter(status__in=BAD_ENDS)

    def failures(self) -> JobQuerySet:
        """The bad ends that nobody wanted."""
        return self.bad_ends().exclude(STOPPED)

    def owed(self) -> JobQuerySet:
        """Those whose slot is to be tried again, by the host that ran them."""
        return self.filter(owed=True)

    def by_themselves(self) -> JobQuerySet:
        """Those that no person started, nor the run that they are a further attempt of."""
        asked = models.Q(trigger__in=(Trigger.MANUAL, Trigger.BACKFILL))
        return self.exclude(asked | models.Q(trigger=Trigger.RETRY, scheduled_for=None))

    def of_invocation(self, invocation_id: str) -> JobQuerySet:
        return self.filter(invocation_id=invocation_id)


class Job(models.Model):
    """One run of a rule: the historical record."""

    rule = models.ForeignKey(
        "linod_systemd.JobRule", models.SET_NULL, null=True, blank=True, related_name="jobs"
    )
    rule_name = models.CharField(max_length=200)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    start_datetime = models.DateTimeField()
    end_datetime = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RUNNING)
    reason = models.CharField(max_length=200, blank=True, default="")
    message = models.TextField(blank=True, default="")
    trigger = models.CharField(max_length=10, choices=Trigger.choices, default=Trigger.MANUAL)
    scheduled_for = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="The slot, in seconds since the epoch (UTC): the same with and without USE_TZ.",
    )
    attempt = models.PositiveIntegerField(default=1)
    invocation_id = models.CharField(max_length=32, blank=True, default="", db_index=True)
    host = models.CharField(max_length=255, blank=True, default="")
    boot_id = models.CharField(max_length=32, blank=True, default="")
    exit_code = models.IntegerField(null=True, blank=True)
    told = models.CharField(
        max_length=40, blank=True, default="", editable=False, help_text="What people were told of this end."
    )
    # db_default: while an upgrade goes on, or is put back, code that does not know a column writes rows, too.
    blameless = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="It ended badly, and its procedure could not help that.",
    )
    owed = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="Its slot is tried again, until the next one is due.",
    )
    progress_done = models.FloatField(null=True, blank=True, editable=False)
    progress_total = models.FloatField(null=True, blank=True, editable=False)
    progress_text = models.CharField(max_length=200, blank=True, default="", db_default="", editable=False)
    warm = models.BooleanField(default=False, help_text="Forked from a process that had the site loaded.")
    cpu_seconds = models.FloatField("CPU seconds", null=True, blank=True)
    memory_peak = models.BigIntegerField("memory peak, bytes", null=True, blank=True)

    PROGRESS = ("progress_done", "progress_total", "progress_text")

    objects: ClassVar[Any] = JobQuerySet.as_manager()

    class Meta:
        ordering = ("-start_datetime", "-pk")
        permissions = (("stop_job", "Can stop a job"),)
        constraints = (
            models.UniqueConstraint(
                fields=("rule_name",), condition=models.Q(status="running"), name="linod_one_run_of_a_rule"
            ),
            models.UniqueConstraint(
                fields=("rule_name", "scheduled_for"),
                condition=models.Q(attempt=1),
                name="linod_one_first_attempt_of_a_slot",
            ),
        )
        indexes = (
            models.Index(fields=("rule", "-start_datetime"), name="linod_job_of_rule"),
            models.Index(fields=("rule_name", "-start_datetime"), name="linod_job_of_name"),
            models.Index(fields=("rule_name", "status", "-start_datetime"), name="linod_job_by_end"),
            models.Index(fields=("status", "-start_datetime"), name="linod_job_by_status"),
            models.Index(fields=("start_datetime",), name="linod_job_by_start"),
            models.Index(
                fields=("rule_name", "-start_datetime"), condition=~models.Q(told=""), name="linod_job_told"
            ),
            models.Index(fields=("rule_name",), condition=models.Q(owed=True), name="linod_job_owed"),
        )

    def __str__(self) -> str:
        return f"Job #{self.pk} {self.rule_name} {self.status}"

    @property
    def slot(self) -> datetime | None:
        """The occurrence that this job is for (UTC), or None: a person asked for it."""
        return None if self.scheduled_for is None else clock.from_slot(self.scheduled_for)

    @property
    def progress(self) -> str:
        """How far it says that it is: ``120 of 400 (30 %): mails``; empty where it has said nothing."""
        if self.progress_done is None:
            return self.progress_text
        said = f"{self.progress_done:g}"
        if self.progress_total:
            said += f" of {self.progress_total:g} ({100 * self.progress_done / self.progress_total:.0f} %)"
        return f"{said}: {self.progress_text}" if self.progress_text else said

    @property
    def remark(self) -> str:
        """How far it is while it runs; then the reason of its end."""
        return self.progress if self.status == Status.RUNNING else self.reason

    @property
    def was_stopped(self) -> bool:
        """Whether it ended as somebody wanted it to."""
        return self.status == Status.KILLED and self.reason in STOP_REASONS

    @property
    def was_by_hand(self) -> bool:
        """Whether a person started it, or the run that it is a further attempt of: that has no slot."""
        again = self.trigger == Trigger.RETRY and self.slot is None
        return again or self.trigger in (Trigger.MANUAL, Trigger.BACKFILL)

    def is_attempt_before(self, later: Job) -> bool:
        """Whether this is an earlier attempt of the run that a later job is a further attempt of."""
        return self.attempt < later.attempt and self.scheduled_for == later.scheduled_for

    @property
    def has_failed(self) -> bool:
        return self.status in BAD_ENDS and not self.was_stopped

    @property
    def seconds(self) -> float | None:
        """How long it took, or None: it has not ended."""
        return (self.end_datetime - self.start_datetime).total_seconds() if self.end_datetime else None

    def validate_constraints(self, exclude: Any = None) -> None:
        """One run at a time: only a running row can be one too many, which spares a query for each other."""
        if self.status == Status.RUNNING:
            super().validate_constraints(exclude)

    def finish(
        self,
        status: Status,
        *,
        reason: str = "",
        message: str | None = None,
        exit_code: int | None = None,
        ended: datetime | None = None,
        cpu_seconds: float | None = None,
        memory_peak: int | None = None,
        blameless: bool = False,
        owed: bool = False,
        overrules: Iterable[Status] = (),
    ) -> bool:
        """End this row, if it has not ended yet; whether it was this call that did.

        A conditional UPDATE, so that of two who know an end only one writes it. Who knows better may
        speak later: a job taken for lost has ended somehow.

        :param ended: when (as the database takes it); now, if not given.
        :param overrules: the ends that this one corrects.
        """
        values: dict[str, Any] = {
            "status": status,
            "reason": reason[:200],
            "end_datetime": ended or clock.now(),
            "exit_code": exit_code,
            "cpu_seconds": cpu_seconds,
            "memory_peak": memory_peak,
            "blameless": blameless,
            "owed": owed,
        }
        if message is not None:
            values["message"] = message
        if self.progress:
            values |= {name: getattr(self, name) for name in self.PROGRESS}
        without_end = [Status.RUNNING, Status.LOST, *overrules]
        if not Job.objects.filter(pk=self.pk, status__in=without_end).update(**values):
            return False
        for name, value in values.items():
            setattr(self, name, value)
        return True
