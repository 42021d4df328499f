"""The settings that a site may have in its settings module, with their defaults."""

from __future__ import annotations

from typing import Any

from django.conf import settings

DEFAULTS: dict[str, Any] = {
    # Days after which clear_too_old_job_history deletes a job.
    "LINOD_HISTORY_DAYS": 90,
    # How many runs of each rule it keeps however old they are (at least one), beside the last failure.
    "LINOD_HISTORY_LEAST": 10,
    # How much of what a job logs is kept in its row; of more, the beginning and the end.
    "LINOD_MESSAGE_CHARACTERS": 64_000,
    # Seconds by which a timer may ring late, where the rule does not make up for missed runs.
    "LINOD_LATE_SECONDS": 300,
    # Who is told of failures, recoveries and what did not run; where it is empty: ADMINS.
    "LINOD_MAIL_TO": [],
    # Seconds in which a rule that comes and goes is told of once.
    "LINOD_MAIL_PAUSE_SECONDS": 3600,
    # Seconds in which a mail waits for others of its cause, to be sent as one.
    "LINOD_MAIL_GATHER_SECONDS": 60,
}


def get(name: str) -> Any:
    """The value of one of ``DEFAULTS``, as the site sets it."""
    return getattr(settings, name, DEFAULTS[name])
