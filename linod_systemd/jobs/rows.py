"""Begin and end the rows of jobs: in the database or, while that is away, in the spool."""

from __future__ import annotations

import logging
from typing import Any

from linod_systemd import clock
from linod_systemd.common.text import storable
from linod_systemd.jobs import consequences, mail, spool
from linod_systemd.jobs.outcome import Outcome
from linod_systemd.jobs.reconcile import drain
from linod_systemd.sites import config
from linod_systemd.store import database, rule_store
from linod_systemd.store.choices import Status
from linod_systemd.store.database import DatabaseAway
from linod_systemd.store.job import Job
from linod_systemd.store.rule_store import Run, StoredRule

logger = logging.getLogger("linod.rows")


def label(job: Job) -> str:
    """What to call a job: by its number, where it has one."""
    return f"job #{job.pk}" if job.pk else f"job {job.uuid}"


def begin(site: config.Site, rule: StoredRule, job: Job) -> Run:
    """Write the row of a run that begins.

    :raises IntegrityError: where another row of the rule is running, or of this slot.
    :raises SpoolError: where neither database nor spool can be written.
    """
    source = rule_store.current()
    if rule.is_stored:
        try:
            with database.reachable(site):
                return source.claim(rule, job)
        except DatabaseAway as error:
            logger.warning("%s: %s", job.rule_name, error)
    _put(site, job)
    return Run(source, rule, job, source.procedure(rule))


def end(site: config.Site, run: Run, outcome: Outcome, message: str, *, judge: bool) -> None:
    """Write how a run ended.

    :param judge: whether to do what follows from a failure; not where the database was to blame for it.
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
    }
    judge = judge and outcome.status == Status.FAILED and not outcome.blameless
    try:
        with database.reachable(site):
            if job.pk is not None:
                run.finish(**values)
                if judge:
                    consequences.judge(job)
                elif outcome.status == Status.SUCCESS:
                    mail.tell_recovery(job)
                return
    except DatabaseAway as error:
        logger.warning("%s: %s", job.rule_name, error)
    for name, value in values.items():
        setattr(job, name, value)
    job.end_datetime = clock.now()
    _put(site, job, judge=judge)
    try:
        drain(site)
    except DatabaseAway as error:
        logger.warning("%s: %s is kept in %s: %s", job.rule_name, label(job), site.spool_directory, error)


def _put(site: config.Site, job: Job, *, judge: bool = False) -> None:
    values = {}
    for field in Job._meta.concrete_fields:
        if field.name not in ("id", "rule"):
            value = getattr(job, field.attname)
            values[field.name] = None if value is None else field.value_to_string(job)
    spool.put_row(site, job.uuid.hex, clock.from_database(job.start_datetime), values, judge=judge)
