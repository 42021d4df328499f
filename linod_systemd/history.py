"""The app's own procedure: the history of jobs does not grow for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Max

from linod_systemd import clock, django_settings
from linod_systemd.choices import Status
from linod_systemd.models import Job
from linod_systemd.procedures import schedule_daily

BATCH = 1000


@schedule_daily()
def clear_too_old_job_history(ar: Any) -> None:
    """Delete jobs older than the setting LINOD_HISTORY_DAYS (90), but for each rule's last."""
    days = django_settings.get("LINOD_HISTORY_DAYS")
    limit = clock.to_database(clock.utc_now() - timedelta(days=days))
    last = Job.objects.filter(rule__isnull=False).values("rule").annotate(last=Max("pk")).values("last")
    old = Job.objects.filter(start_datetime__lt=limit).exclude(status=Status.RUNNING).exclude(pk__in=last)
    deleted = 0
    while True:
        # Small transactions: a long one would keep the other jobs from writing their rows (SQLite).
        batch = list(old.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not batch:
            break
        deleted += Job.objects.filter(pk__in=batch).delete()[0]
    ar.info("deleted %d jobs that are older than %d days", deleted, days)
