"""Tell how long the runs of a rule usually take."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from linod_systemd.store.choices import Status
from linod_systemd.store.job import Job

LOOKED_AT = 20  # the latest runs of a rule that say what is usual


def usual_seconds(jobs: Iterable[Job]) -> float | None:
    """Return the median duration of those that succeeded; None where none did."""
    taken = [job.seconds for job in jobs if job.status == Status.SUCCESS and job.seconds is not None]
    return statistics.median(taken) if taken else None
