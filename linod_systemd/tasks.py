"""Tasks: what manages the rules of a site. The words are those of LINOD.txt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from linod_systemd import clock, pause, source
from linod_systemd.choices import CancelledBy
from linod_systemd.models import JobRule, Pause
from linod_systemd.procedures import Procedure, Procedures, Registry
from linod_systemd.recurrence import WEEKDAYS, RecurrenceError
from linod_systemd.ticks import INSTANT

REST = timedelta(seconds=60)


@dataclass(frozen=True)
class Changes:
    """What setup() did: the names of the rules made, stopped as their procedure is gone, enabled again."""

    created: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [
            f"{verb} {', '.join(names)}"
            for verb, names in (
                ("made", self.created),
                ("stopped, as the procedure is gone:", self.vanished),
                ("enabled again", self.enabled),
            )
            if names
        ]
        return "; ".join(parts) or "nothing to do"


class Tasks:
    """The rules of this site's procedures.

    :param procedures: the registry to set up from.
    :param start: how run() starts a job; by default in this process, to its end.
    """

    def __init__(
        self, procedures: Registry = Procedures, start: Callable[[JobRule], Any] | None = None
    ) -> None:
        self.procedures = procedures
        self.start = start or _run_here
        self.since = clock.utc_now()

    def setup(self) -> Changes:
        """Make rules for new procedures, stop those whose procedure is gone, enable what a failure cancelled.

        What a person cancelled stays cancelled. A rule that was stopped keeps its jobs and what a person
        edited, and goes on when its procedure is back.
        """
        with transaction.atomic():
            source.current().set_up()
            rules = JobRule.objects.select_for_update().filter(mirrors="")
            known_names = self.procedures.names()
            gone = rules.live().exclude(procedure__in=known_names)
            vanished = tuple(rule.name for rule in gone)
            JobRule.objects.filter(name__in=vanished).cancel(CancelledBy.VANISHED)
            ours = (CancelledBy.FAILURE, CancelledBy.VANISHED)
            back = rules.filter(cancelled=True, cancelled_by__in=ours, procedure__in=known_names)
            enabled = tuple(rule.name for rule in back)
            JobRule.objects.filter(name__in=enabled).enable()
            known = set(rules.values_list("procedure", flat=True))
            missing = [procedure for procedure in self.procedures if procedure.name not in known]
            created = tuple(self.create_rule(procedure).name for procedure in missing)
        return Changes(created, vanished, enabled)

    def create_rule(self, procedure: Procedure) -> JobRule:
        """The rule of this name with the procedure's default interval; made if there is none yet."""
        defaults = dict(procedure.defaults)
        ticked = defaults.pop("weekdays", ())
        defaults["timezone"] = defaults.get("timezone") or ""
        rule, _ = JobRule.objects.get_or_create(
            name=procedure.name,
            defaults={
                "procedure": procedure.name,
                "seqno": self.procedures.names().index(procedure.name) + 1,
                "every_unit": procedure.every_unit,
                "every": procedure.every_value,
                "start_date": procedure.start_date(clock.today()),
                "start_time": procedure.start_time,
                "run_after": list(procedure.run_after),
                **{day: day in ticked for day in WEEKDAYS},
                **defaults,
            },
        )
        return rule

    def cancel_rule(self, rule: JobRule, by: CancelledBy = CancelledBy.PERSON) -> None:
        """Set ``cancelled``: systemd stops its timer."""
        JobRule.objects.filter(pk=rule.pk).cancel(by)
        rule.refresh_from_db()

    def run(self) -> datetime:
        """Start what is due or was asked for; when to come back (UTC, at the latest in a minute)."""
        for rule in JobRule.objects.all():
            due = self._due(rule)
            if rule.requested_at or (due is not None and due <= clock.utc_now()):
                self.start(rule)
        dues = [due for rule in JobRule.objects.live() if (due := self._due(rule)) is not None]
        return min([*dues, clock.utc_now() + REST])

    def _due(self, rule: JobRule) -> datetime | None:
        """The first instant after its last run at which the rule is due (past: it is due now)."""
        if rule.cancelled:
            return None
        recurrence, now = rule.recurrence(), clock.utc_now()
        if (paused := pause.until(rule, now)) is not None:
            return recurrence.next_after(paused - INSTANT)
        started = rule.jobs.last_start()
        if recurrence.is_monotonic:
            return recurrence.next_after_start(started, now)
        since = clock.from_database(rule.live_since)
        if started is not None:
            since = max(since, started)
        if not rule.as_rule().makes_up:
            since = max(since, self.since)
        latest = recurrence.last_before(now)
        if latest is not None and latest > since and not Pause.objects.of(rule).at(latest).exists():
            return latest
        return recurrence.next_after(now)

    def status(self) -> list[str]:
        """One line for each rule, as in LINOD.txt, with its next time on the site's wall clock."""
        return [f"{rule} {_outlook(rule)}" for rule in JobRule.objects.all()]


def _outlook(rule: JobRule) -> str:
    if rule.cancelled:
        return CancelledBy(rule.cancelled_by).in_words
    try:
        due = rule.next_run()
    except RecurrenceError as error:
        return f"impossible: {error}"
    if due is not None:
        paused = pause.until(rule, clock.utc_now())
        until = f"paused until {local(paused)}, " if paused else ""
        return f"{until}next run at: {local(due)}"
    return "never due" if rule.every_unit == "never" else "ended"


def local(instant: datetime) -> str:
    """An instant on the site's wall clock, to the second."""
    return timezone.localtime(instant, timezone.get_default_timezone()).isoformat(" ", "seconds")


def _run_here(rule: JobRule) -> None:
    from linod_systemd import conf, execute

    execute.execute(conf.this_site(), rule.name)
