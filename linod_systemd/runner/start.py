"""Start: by whom a rule was started, for which slot, and whether it is to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from linod_systemd import app_settings, clock
from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.rules import slot
from linod_systemd.rules.slot import Decision, Past
from linod_systemd.store import pause, rule_store
from linod_systemd.store.rule_store import StoredRule
from linod_systemd.systemd import invocation
from linod_systemd.systemd.invocation import Invocation


@dataclass(frozen=True)
class Start:
    """``due`` (aware) is the occurrence; None where a person asked, or a timer rang while nothing is due."""

    rule: StoredRule
    by: Invocation
    due: datetime | None = None
    warm: bool = False

    @classmethod
    def of(cls, rule: StoredRule, by: Invocation, *, warm: bool = False) -> Start:
        """:raises RecurrenceError: where a timer started an impossible rule."""
        due = None if by.rang is None else _occurrence(rule.recurrence(), by.rang)
        return cls(rule, by, due, warm)

    def decide(self, past: Past) -> Decision:
        """Whether it is for a run: what a person asks for is; what a timer rings for, by its slot."""
        if self.by.rang is None:
            return Decision(True)
        rule = self.rule.rule
        if rule.cancelled:
            return Decision(False, "it is cancelled")
        tolerance = timedelta(seconds=app_settings.get("LINOD_LATE_SECONDS"))
        return slot.decide(self.due, self.by.rang, past, makes_up=rule.makes_up, tolerance=tolerance)

    def past(self) -> Past:
        """Return the facts that the database has about the slot."""
        if not self.rule.is_stored or self.due is None:
            return Past()
        source, name = rule_store.current(), self.rule.name
        jobs = source.jobs()
        paused = pause.last_of(name, source.pauses(self.due, self.by.rang, name))
        busy = jobs.under_way(name, clock.to_database(self.due)).first()
        return Past(
            live_since=self.rule.live_since,
            taken=jobs.of_slot(name, self.due).exists(),
            paused=str(paused or ""),
            busy=f"job #{busy.pk}" if busy else "",
        )


def _occurrence(recurrence: RecurrenceSet, rang: datetime) -> datetime | None:
    if not recurrence.is_monotonic:
        return recurrence.last_before(rang + invocation.ROUNDING)
    # A timer that counts from its previous start keeps to no dates, and knows neither weekdays nor an end.
    return rang if recurrence.allows(rang) else None
