"""checksummaries: runs, failures and seconds of each rule on each day, recomputed from the jobs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import transaction
from django.utils import timezone

from linod_systemd import app_settings
from linod_systemd.demo.models import Summary
from linod_systemd.store import rule_store
from linod_systemd.store.choices import BAD_ENDS


@dataclass
class Tally:
    """The sums of the jobs of a rule on a day."""

    runs: int = 0
    failures: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class SummaryReport:
    """How many summaries were made, corrected, removed."""

    made: int
    corrected: int
    removed: int

    def __str__(self) -> str:
        return f"{self.made} summaries made, {self.corrected} corrected, {self.removed} removed"


def recompute() -> SummaryReport:
    """Compare the summaries with the jobs, and correct them.

    A day has all its jobs if it is within LINOD_HISTORY_DAYS (days, 90) and not before the oldest job
    of the rule. On other days jobs went with the history, and what their summary says stays.
    """
    tallies = _tallies()
    kept = timedelta(days=app_settings.get("LINOD_HISTORY_DAYS"))
    cleared = timezone.localdate(timezone.now() - kept)
    oldest: dict[str, date] = {}
    for rule, day in tallies:
        oldest[rule] = min(day, oldest.get(rule, day))
    made = corrected = removed = 0
    with transaction.atomic():
        since = min([cleared, *oldest.values()])
        known = {(row.rule_name, row.day): row for row in Summary.objects.filter(day__gte=since)}
        for key, tally in tallies.items():
            row = known.pop(key, None)
            if row is None:
                Summary.objects.create(rule_name=key[0], day=key[1], **vars(tally))
                made += 1
            elif key[1] > cleared and _differs(row, tally):
                Summary.objects.filter(pk=row.pk).update(**vars(tally))
                corrected += 1
        for (rule, day), row in known.items():
            if day > cleared and day >= oldest.get(rule, day):
                row.delete()
                removed += 1
    return SummaryReport(made, corrected, removed)


def _differs(row: Summary, tally: Tally) -> bool:
    same_counts = (row.runs, row.failures) == (tally.runs, tally.failures)
    return not same_counts or abs(row.seconds - tally.seconds) > 1e-6


def _tallies() -> dict[tuple[str, date], Tally]:
    tallies: dict[tuple[str, date], Tally] = defaultdict(Tally)
    ended = rule_store.current().jobs().started().filter(end_datetime__isnull=False)
    fields = ("rule_name", "start_datetime", "end_datetime", "status")
    for name, start, end, status in ended.values_list(*fields).iterator():
        tally = tallies[name, timezone.localdate(start)]
        tally.runs += 1
        tally.failures += status in BAD_ENDS
        tally.seconds += (end - start).total_seconds()
    return tallies
