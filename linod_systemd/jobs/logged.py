"""Tell what a job has logged so far, by the journal: its row has that when it ends."""

from __future__ import annotations

from linod_systemd import clock
from linod_systemd.sites.config import Site
from linod_systemd.store.job import Job
from linod_systemd.systemd import journal_client


def text(site: Site, job: Job) -> str:
    """Return the last lines; none where the journal has none, or is not for this process to read."""
    if not job.invocation_id:
        return journal_client.text_of_job(site, job.pk)
    # The attempts of one invocation are told apart by time; the first has what came before it, too.
    since = clock.from_database(job.start_datetime) if job.attempt > 1 else None
    return journal_client.text_of_invocation(site, job.invocation_id, since)
