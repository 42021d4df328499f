"""Make the missing row of each start that the journal has and the database has not; or its end.

A run may die before it can write a row, and what OnFailure= starts may die, too; or it is started once for
two ends in a row, or is told of the unit's next run. So the supervisor goes through the starts that PID 1
logged.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta

from linod_systemd.common import unit_names
from linod_systemd.jobs import record_end, rows
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.choices import Status
from linod_systemd.systemd import boot, journal_client, service_result
from linod_systemd.systemd.journal_client import JournalAway, LoggedStart
from linod_systemd.systemd.service_result import StillRunning

logger = logging.getLogger("linod.starts")

NEWEST = timedelta(seconds=10)  # for a run that has just died, and for who records that
MACHINE_DOWN = "it did not begin: the machine went down"


def account_for(site: config.Site, until: datetime | None = None) -> None:
    """Give a row to each start since the last time that has none, and its end to each taken for lost.

    Up to when all are accounted for is kept as the time of a file. Where the journal does not answer, that
    stays as it is, and the next time asks again.

    :param until: up to when (aware); by default all but those that may be recorded in this moment.
    :raises OSError: where that cannot be kept.
    """
    until = until or datetime.now(UTC) - NEWEST
    if until <= _accounted(site):
        return
    try:
        until = _account(site, until)
    except JournalAway as error:
        logger.error("the starts of site %s are not known now, and are asked for again: %s", site.name, error)
        return
    site.accounted_marker.touch(mode=0o640)
    os.utime(site.accounted_marker, (until.timestamp(), until.timestamp()))


def _account(site: config.Site, until: datetime) -> datetime:
    """Up to when all starts are accounted for now.

    :raises JournalAway: where that is not to be known.
    """
    names = [rule.name for rule in rule_store.current().rules()]
    rules = {unit_names.service(site.unit_prefix, name): name for name in names}
    for start in journal_client.starts_since(site, _accounted(site)):
        if start.instant > until:
            break
        if start.unit in rules and not _has_its_row(site, rules[start.unit], start):
            return start.instant - timedelta(microseconds=1)
    return until


def _accounted(site: config.Site) -> datetime:
    if not site.accounted_marker.exists():
        return boot.booted_at()
    return datetime.fromtimestamp(site.accounted_marker.stat().st_mtime, UTC)


def _has_its_row(site: config.Site, rule: str, start: LoggedStart) -> bool:
    """Whether this start has its row, or needs none; False: it is still going on."""
    job = rule_store.current().jobs().of_invocation(start.invocation_id).order_by("pk").last()
    if job is not None and job.status not in (Status.LOST, Status.KILLED):
        return True  # of SIGTERM the process knows not whether it came by its timeout
    result = service_result.last_known(site, rule, start.invocation_id)
    if isinstance(result, StillRunning):
        return False
    if result is not None and result.result == "success" and job is None:
        return True  # it was not due, as a timer that counts from its previous start does not know
    is_earlier = start.instant < boot.booted_at()
    if job is None:
        boot_id = "" if is_earlier else boot.boot_id()
        job = rows.never_begun(site, rule, start.invocation_id, start.instant, boot_id, is_start=True)
    if result is not None:
        ended = start.instant if job.status == Status.LOST and job.end_datetime is None else None
        record_end.by_systemd(site, rule, result, ended=ended)
    elif job.end_datetime is None:
        reason = MACHINE_DOWN if is_earlier else "it did not begin: its process is gone"
        record_end.as_lost(job, reason, ended=start.instant)
    return True
