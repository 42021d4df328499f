"""Ask systemd, through root's side, to end the unit of a running job by SIGTERM."""

from __future__ import annotations

from linod_systemd.errors import LinodError
from linod_systemd.sites import config, requests
from linod_systemd.store.choices import Status
from linod_systemd.store.job import Job


class NotStopped(LinodError):
    """A job that systemd cannot be asked to stop."""


def ask(site: config.Site, job: Job) -> None:
    """Leave the request; the job ends a moment later, as ``killed``.

    :raises NotStopped: where it has ended, or is not run by a unit.
    :raises OSError: where the request cannot be left.
    """
    if job.status != Status.RUNNING:
        raise NotStopped(f"job #{job.pk} has ended", f"see: {config.command(site.name, 'show', str(job.pk))}")
    if not job.invocation_id:
        raise NotStopped(
            f"job #{job.pk} runs outside its unit on {job.host}, and not by systemd", "end its process there"
        )
    requests.request_stop(site, job.rule_name, job.invocation_id)
