"""Delete old jobs daily: the app's own procedure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from linod_systemd import app_settings, clock
from linod_systemd.procedures import schedule_daily
from linod_systemd.store import rule_store
from linod_systemd.store.choices import Status

BATCH = 1000


@schedule_daily()
def clear_too_old_job_history(ar: Any) -> None:
    """Delete jobs older than LINOD_HISTORY_DAYS, but for each rule's last few and its last failure."""
    days = app_settings.get("LINOD_HISTORY_DAYS")
    limit = clock.to_database(clock.utc_now() - timedelta(days=days))
    kept = list(_kept(app_settings.get("LINOD_HISTORY_LEAST")))
    jobs = rule_store.current().jobs()
    old = jobs.filter(start_datetime__lt=limit).exclude(status=Status.RUNNING).exclude(pk__in=kept)
    deleted = 0
    while True:
        # Small transactions: a long one would keep the other jobs from writing their rows (SQLite).
        batch = list(old.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not batch:
            break
        deleted += jobs.filter(pk__in=batch).delete()[0]
    ar.info("deleted %d jobs that are older than %d days", deleted, days)


def _kept(least: int) -> Iterator[int]:
    """The jobs of each rule that stay however old they are: its last runs, and its last failure."""
    for name in rule_store.current().jobs().rule_names():
        jobs = rule_store.current().jobs(name)
        yield from jobs.started().values_list("pk", flat=True)[: max(1, least)]
        yield from jobs.bad_ends().values_list("pk", flat=True)[:1]
