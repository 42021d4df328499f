"""What is asked of rows of JobRule, and changed in them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import models

from linod_systemd import clock, export, missed, run_request
from linod_systemd.choices import CancelledBy
from linod_systemd.recurrence import WEEKDAYS

if TYPE_CHECKING:
    from linod_systemd.models import JobRule

RECURRENCE_FIELDS = (
    *("every_unit", "every", "start_date", "start_time", "end_date", "end_time", "max_events"),
    *("positions", *WEEKDAYS, "timezone", "jitter", "run_after"),
)


class JobRuleQuerySet(models.QuerySet["JobRule"]):
    """Every way to change rules ends in rules.json being written anew, on commit."""

    def live(self) -> JobRuleQuerySet:
        return self.filter(cancelled=False)

    def update(self, **values: Any) -> int:
        if values.keys() & set(RECURRENCE_FIELDS):
            values.setdefault("live_since", clock.now())  # the past must not fire it
        asked = list(self.values_list("name", flat=True)) if "requested_at" in values else []
        changed = super().update(**values)
        for name in asked:
            run_request.on_commit(name, wanted=values["requested_at"] is not None, using=self.db)
        export.on_commit(self.db)
        return changed

    def bulk_create(self, objs: Iterable[JobRule], *args: Any, **kwargs: Any) -> list[JobRule]:
        created = super().bulk_create(objs, *args, **kwargs)
        export.on_commit(self.db)
        return created

    def cancel(self, by: CancelledBy, note: str = "") -> int:
        """Cancel the live ones among these; the number of those changed."""
        return self.live().update(
            cancelled=True, cancelled_by=by, cancelled_at=clock.now(), cancelled_note=note[:200]
        )

    def enable(self) -> int:
        """Enable the cancelled ones among these; the number of those changed."""
        cancelled = self.filter(cancelled=True)
        for rule in cancelled:
            missed.note_cancelled(rule.stored())
        return cancelled.update(
            cancelled=False,
            cancelled_by=CancelledBy.NOBODY,
            cancelled_at=None,
            cancelled_note="",
            live_since=clock.now(),
        )

    def request(self) -> int:
        """Ask systemd to run these now; the number of those asked for."""
        return self.update(requested_at=clock.now())
