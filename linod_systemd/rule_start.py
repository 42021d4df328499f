"""A start of a rule: by whom, and for which occurrence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from linod_systemd import invocation
from linod_systemd.invocation import Invocation
from linod_systemd.models import JobRule
from linod_systemd.recurrence import RecurrenceSet


@dataclass(frozen=True)
class Start:
    """``due`` (aware) is the occurrence; None where a person asked, or a timer rang while nothing is due."""

    rule: JobRule
    by: Invocation
    due: datetime | None = None
    warm: bool = False

    @classmethod
    def of(cls, rule: JobRule, by: Invocation, *, warm: bool = False) -> Start:
        """:raises RecurrenceError: where a timer started an impossible rule."""
        due = None if by.rang is None else _occurrence(rule.recurrence(), by.rang)
        return cls(rule, by, due, warm)


def _occurrence(recurrence: RecurrenceSet, rang: datetime) -> datetime | None:
    if not recurrence.is_monotonic:
        return recurrence.last_before(rang + invocation.ROUNDING)
    # A timer that counts from its previous start keeps to no dates, and knows neither weekdays nor an end.
    return rang if recurrence.allows(rang) else None
