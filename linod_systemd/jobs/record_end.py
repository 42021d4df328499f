"""End the rows of jobs, the one place: by the word of the runner, of the spool, of systemd, or as lost."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from linod_systemd import clock
from linod_systemd.common.text import storable
from linod_systemd.jobs import consequences, logged, mail, rerun, rows
from linod_systemd.jobs.outcome import Outcome
from linod_systemd.jobs.verdict import verdict_of
from linod_systemd.sites import config
from linod_systemd.store import database, rule_store
from linod_systemd.store.choices import Status, StopReason
from linod_systemd.store.database import DatabaseAway
from linod_systemd.store.job import Job
from linod_systemd.store.rule_store import Run
from linod_systemd.systemd import boot, service_result
from linod_systemd.systemd.journal_client import JournalAway
from linod_systemd.systemd.service_result import ServiceResult, StillRunning

logger = logging.getLogger("linod.record_end")

SPOOLED = ("status", "reason", "message", "exit_code", "cpu_seconds", "memory_peak", "blameless", "owed")


def by_runner(site: config.Site, run: Run, outcome: Outcome, message: str, *, is_last: bool) -> bool:
    """Write how a run ended in this process; False: the spool keeps it, and the database is still to take it.

    :param is_last: whether this process makes no further attempt. Then what follows from a failure is done;
        one that the procedure could not help has its slot tried again instead (jobs/rerun.py).
    :raises SpoolError: where neither database nor spool can be written.
    """
    job = run.job
    values: dict[str, Any] = {
        "status": outcome.status,
        "reason": storable(outcome.reason)[:200],
        "message": message,
        "exit_code": outcome.exit_code,
        "cpu_seconds": outcome.usage.cpu_seconds,
        "memory_peak": outcome.usage.memory_peak,
        "blameless": outcome.blameless,
        "owed": is_last and outcome.blameless and rerun.can_be_owed(run.rule, job),
    }
    judge = is_last and outcome.status == Status.FAILED and not outcome.blameless
    try:
        with database.reachable(site):
            if job.pk is not None:
                run.finish(**values)
                if judge:
                    consequences.judge(job)
                elif outcome.status == Status.SUCCESS:
                    mail.tell_recovery(job)
                return True
    except DatabaseAway as error:
        logger.warning("%s: %s", job.rule_name, error)
    for name, value in values.items():
        setattr(job, name, value)
    job.end_datetime = clock.now()
    rows.spool_row(site, job, judge=judge)
    return False


def by_spool(job: Job, row: Mapping[str, Any]) -> bool:
    """Write the end that a spooled row has; whether the job had none yet.

    :param row: the fields of the Job, as python values.
    """
    values = {name: row[name] for name in SPOOLED if name in row}  # an older version kept fewer
    for name in Job.PROGRESS:
        setattr(job, name, row.get(name, getattr(job, name)))
    return rule_store.current().finish(job, **values, ended=row["end_datetime"])


def by_systemd(
    site: config.Site, name: str, result: ServiceResult, message: str = "", ended: datetime | None = None
) -> None:
    """Write how systemd says that an invocation of a rule's service ended; a second time, nothing happens.

    :param message: what the invocation logged, where the journal need not be asked any more.
    :param ended: when (aware); now, if not given.
    """
    verdict = verdict_of(result)
    ended = ended or datetime.now(UTC)
    source = rule_store.current()
    job = source.jobs().of_invocation(result.invocation_id).order_by("pk").last()
    began = job is not None and job.uuid != rows.key_of(result.invocation_id)
    if job is None:
        job = rows.never_begun(site, name, result.invocation_id, ended, boot.boot_id(), is_start=False)
    if not began:
        verdict = verdict.but(f"it did not begin: {verdict.reason}")
    elif verdict.status == Status.TIMEOUT and not _had_its_time(job, ended):
        verdict = verdict.but(StopReason.WAS_DEAF, stopped=True)
    finished = source.finish(
        job,
        status=verdict.status,
        reason=verdict.reason,
        message=message or logged.text(site, job) or job.message,
        exit_code=verdict.exit_code,
        blameless=not began,
        owed=not began and not verdict.was_stopped and rerun.can_be_owed(source.rule(name), job),
        ended=clock.to_database(ended),
        overrules=verdict.overrules,
    )
    if not finished:
        return  # it had said its end itself
    logger.error("%s: job #%s ended: %s (%s)", name, job.pk, verdict.status, verdict.reason)
    if began and not verdict.was_stopped:
        consequences.judge(job, retries=True)


def lose(site: config.Site, job: Job) -> bool:
    """End the row of a job that no process is running any more; False: systemd is still ending its unit.

    Where systemd or the journal knows how that invocation ended, its word counts.
    """
    if job.invocation_id:
        try:
            result = service_result.last_known(site, job.rule_name, job.invocation_id)
        except JournalAway as error:  # the row has its end now; unrecorded_starts will know a better one
            logger.error("%s", error)
            result = None
        if isinstance(result, StillRunning):
            return False
        if result is not None:
            by_systemd(site, job.rule_name, result, service_result.complete_text(site, job.invocation_id))
            return True
    reason = "the machine went down" if job.boot_id != boot.boot_id() else "its process is gone"
    as_lost(job, reason, message=logged.text(site, job) or job.message)
    return True


def as_lost(job: Job, reason: str, *, message: str | None = None, ended: datetime | None = None) -> None:
    """End the row of a job whose end nobody saw; nothing happens where it has an end.

    :param ended: when (aware); now, if not given.
    """
    at = None if ended is None else clock.to_database(ended)
    if rule_store.current().finish(job, status=Status.LOST, reason=reason, message=message, ended=at):
        logger.error("%s: job #%s is lost: %s", job.rule_name, job.pk, reason)


def _had_its_time(job: Job, ended: datetime) -> bool:
    """Whether a job that systemd gave up ran for its timeout, and was not just deaf to `systemctl stop`."""
    took = ended - clock.from_database(job.start_datetime)
    rule = rule_store.current().rule(job.rule_name)
    return rule is None or took > timedelta(seconds=rule.rule.timeout * 0.9 - 5)
