"""A start of a rule: by whom, and for which occurrence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from linod_systemd import clock, invocation
from linod_systemd.invocation import Invocation
from linod_systemd.models import JobRule
from linod_systemd.recurrence import RecurrenceSet


@dataclass(frozen=True)
class Start:
    """``recurrence`` is None where no timer did it, and ``due`` (aware) where a person did."""

    rule: JobRule
    by: Invocation
    recurrence: RecurrenceSet | None = None
    due: datetime | None = None
    warm: bool = False

    @classmethod
    def of(cls, rule: JobRule, by: Invocation, *, warm: bool = False) -> Start:
        """:raises RecurrenceError: where a timer started an impossible rule."""
        if by.triggered_at is None:
            return cls(rule, by, warm=warm)
        recurrence, due = rule.recurrence(), by.triggered_at
        if recurrence.is_monotonic:  # a timer that counts from its previous start keeps to no dates
            return cls(rule, by, recurrence, due, warm)
        return cls(rule, by, recurrence, recurrence.last_before(due + invocation.ROUNDING), warm)

    @property
    def is_off(self) -> bool:
        """Whether a timer that counts from its previous start, and so knows neither weekdays nor an end,
        has elapsed when the rule is not due."""
        return (
            self.recurrence is not None
            and self.recurrence.is_monotonic
            and not self.recurrence.allows(clock.utc_now())
        )

    @property
    def never_made_up(self) -> datetime | None:
        """The occurrence, if it is dropped where the previous run was going on then; None: it is run."""
        if self.recurrence is None or self.recurrence.is_monotonic:
            return None
        return None if self.rule.pk is None or self.rule.as_rule().makes_up else self.due
