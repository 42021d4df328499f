"""Tasks: set up, run, cancel the rules of a site. The words are those of lino.modlib.linod."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from linod_systemd import clock
from linod_systemd.procedures import Procedure, Procedures, Registry
from linod_systemd.recurrence.recurrence_set import RecurrenceError
from linod_systemd.runner.start import Start
from linod_systemd.store import database, next_due, rule_store
from linod_systemd.store.choices import CancelledBy
from linod_systemd.store.rule_store import StoredRule
from linod_systemd.systemd.invocation import Invocation

logger = logging.getLogger("linod")

REST = timedelta(seconds=60)


class Named(Protocol):
    """A rule, whichever way one has it."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Changes:
    """The changes that setup() made and found; each a list of rules, for people.

    ``followed`` and ``edited`` say where rule and code differed: ``check (every is 10, the code says 20)``.
    """

    created: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()
    left_cancelled: tuple[str, ...] = ()
    followed: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [
            f"{verb} {', '.join(names)}"
            for verb, names in (
                ("made", self.created),
                ("stopped, as the procedure is gone:", self.vanished),
                ("enabled again", self.enabled),
                ("still cancelled by a failure:", self.left_cancelled),
                ("changed, as the code was:", self.followed),
                ("edited by a person, and left as it is:", self.edited),
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
        self, procedures: Registry = Procedures, start: Callable[[Start], Any] | None = None
    ) -> None:
        self.procedures = procedures
        self.start = start or _run_here
        self.since = clock.utc_now()

    def setup(self, *, revive: bool = True) -> Changes:
        """Make rules for new procedures, stop those whose procedure is gone, enable what a failure cancelled.

        What a person cancelled stays cancelled. A rule that was stopped keeps its jobs and what a person
        edited, and goes on when its procedure is back. A rule that nobody edited follows the code.

        :param revive: whether what a failure cancelled is enabled; a reload alone does not.
        """
        source = rule_store.current()
        with database.atomic():
            source.set_up()
            rules = [rule for rule in source.rules() if not rule.is_mirror]
            vanished = tuple(
                rule.name
                for rule in rules
                if rule.rule.procedure not in self.procedures
                and source.cancel(rule.name, CancelledBy.VANISHED)
            )
            ours = (CancelledBy.FAILURE, CancelledBy.VANISHED) if revive else (CancelledBy.VANISHED,)
            enabled = tuple(
                rule.name
                for rule in rules
                if rule.rule.procedure in self.procedures
                and rule.cancelled_by in ours
                and source.enable(rule.name)
            )
            known = {rule.rule.procedure for rule in rules}
            missing = [procedure for procedure in self.procedures if procedure.name not in known]
            created = tuple(self.create_rule(procedure).name for procedure in missing)
            left = tuple(rule.name for rule in rules if rule.cancelled_by == CancelledBy.FAILURE)
            changed = [(procedure.name, source.follow_code(procedure)) for procedure in self.procedures]
            edited = [(rule.name, source.differences(rule)) for rule in source.rules() if not rule.is_mirror]
        return Changes(
            created, vanished, enabled, () if revive else left, _in_words(changed), _in_words(edited)
        )

    def create_rule(self, procedure: Procedure) -> StoredRule:
        """The rule of this name with the procedure's default interval; made if there is none yet."""
        return rule_store.current().create(procedure, self.procedures.names().index(procedure.name) + 1)

    def cancel_rule(self, rule: Named, by: CancelledBy = CancelledBy.PERSON) -> None:
        """Set ``cancelled``: systemd stops its timer."""
        rule_store.current().cancel(rule.name, by)

    def run(self) -> datetime:
        """Start what is due or was asked for; when to come back (UTC, at the latest in a minute)."""
        now = clock.utc_now()
        for rule in rule_store.current().rules():
            try:
                start = self._start(rule, now)
            except RecurrenceError as error:
                logger.error("%s is impossible, and not run: %s", rule.name, error)
                continue
            if start is not None:
                self.start(start)
        return min([*self._dues(), clock.utc_now() + REST])

    def _start(self, rule: StoredRule, now: datetime) -> Start | None:
        """Its start, if it is for a run: this is the alarm clock here, and the slot decides."""
        if rule.requested_at is not None:
            return Start(rule, Invocation())
        if not self._rings(rule, now):
            return None
        start = Start.of(rule, Invocation(rang=now))
        return start if start.decide(start.past()).runs else None

    def _rings(self, rule: StoredRule, now: datetime) -> bool:
        if rule.rule.cancelled:
            return False
        recurrence = rule.recurrence()
        if recurrence.is_monotonic:
            due = recurrence.next_after_start(rule_store.current().jobs(rule.name).last_start(), now)
            return due is not None and due <= now
        latest = recurrence.last_before(now)
        return latest is not None and (rule.rule.makes_up or latest > self.since)

    @staticmethod
    def _dues() -> list[datetime]:
        dues = []
        for rule in rule_store.current().rules():
            try:
                dues.append(next_due.next_run(rule))
            except RecurrenceError:
                continue  # it was told of as it was to be started
        return [due for due in dues if due is not None]

    def status(self) -> list[str]:
        """One line for each rule, as in Lino, with its next time on the site's wall clock."""
        return [f"{rule.label} {next_due.in_words(rule)}" for rule in rule_store.current().rules()]


def _in_words(found: Iterable[tuple[str, list[str]]]) -> tuple[str, ...]:
    return tuple(f"{name} ({'; '.join(said)})" for name, said in found if said)


def _run_here(start: Start) -> None:
    from linod_systemd.runner import execute

    execute.execute(rule_store.current().site, start.rule.name, elapsed=start.by.rang)
