"""The rows of jobs: begun, ended, skipped; in the database or, while that is away, in the spool."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError, transaction

from linod_systemd import boot, claim, clock, conf, database, failure, host, people, spool, store
from linod_systemd.attempt import Outcome
from linod_systemd.choices import BAD_ENDS, Status
from linod_systemd.database import DatabaseAway
from linod_systemd.job import Job
from linod_systemd.store import Run, StoredRule
from linod_systemd.visible import storable

logger = logging.getLogger("linod.ledger")

ENDING = ("status", "reason", "message", "exit_code", "cpu_seconds", "memory_peak")


def label(job: Job) -> str:
    """What to call a job: by its number, where it has one."""
    return f"job #{job.pk}" if job.pk else f"job {job.uuid}"


def begin(site: conf.Site, rule: StoredRule, job: Job) -> Run:
    """Write the row of a run that begins.

    :raises IntegrityError: where another row of the rule is running, or of this slot.
    :raises SpoolError: where neither database nor spool can be written.
    """
    source = store.current()
    if rule.is_stored:
        try:
            with database.reachable(site):
                return source.claim(rule, job)
        except DatabaseAway as error:
            logger.warning("%s: %s", job.rule_name, error)
    _put(site, job)
    return Run(source, rule, job, source.procedure(rule))


def end(site: conf.Site, run: Run, outcome: Outcome, message: str, *, judge: bool) -> None:
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
                    failure.judge(job)
                elif outcome.status == Status.SUCCESS:
                    people.tell_recovery(job)
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


def _put(site: conf.Site, job: Job, *, judge: bool = False) -> None:
    values = {}
    for field in Job._meta.concrete_fields:
        if field.name not in ("id", "rule"):
            value = getattr(job, field.attname)
            values[field.name] = None if value is None else field.value_to_string(job)
    spool.put_row(site, job.uuid.hex, clock.from_database(job.start_datetime), values, judge=judge)


def drain(site: conf.Site) -> int:
    """Write into the database what the spool holds, in order; how many records.

    Each goes by its own key, so that one which is written and not yet removed is not written twice.

    :raises DatabaseAway: what is not written by then stays.
    """
    if not spool.waiting(site):
        return 0
    written = 0
    with spool.locked(site), database.reachable(site):
        for path in spool.waiting(site):
            try:
                record = spool.read(path)
                with transaction.atomic():
                    _take(site, record)
            except IntegrityError as error:
                logger.error("%s waits: %s", path, error)
                continue
            except (ValueError, KeyError, DataError) as error:
                spool.set_aside(path, error)
                continue
            spool.remove(path)
            written += 1
    logger.info("site %s: %d records of the spool are in the database", site.name, written)
    return written


def _take(site: conf.Site, record: dict[str, Any]) -> None:
    if record["kind"] == spool.ROW:
        _take_row(site, record["row"], judge=bool(record["judge"]))
    else:
        ended = datetime.fromisoformat(record["ended"])
        failure.record(site, record["rule"], record["monitored"], record["message"], ended)


def _take_row(site: conf.Site, values: dict[str, Any], *, judge: bool) -> None:
    fields = {field.name: field for field in Job._meta.concrete_fields}
    row = {name: fields[name].to_python(value) for name, value in values.items()}
    known = store.current().jobs().filter(uuid=row["uuid"]).first()
    if known is None:
        if row["status"] == Status.RUNNING:
            lose_others(site, row["rule_name"])
        known = store.current().keep(row)
    elif row["status"] == Status.RUNNING or not store.current().finish(
        known, **{name: row[name] for name in ENDING}, ended=row["end_datetime"]
    ):
        return
    if judge and known.status in BAD_ENDS:
        failure.judge(known)


def lose_others(site: conf.Site, rule: str) -> None:
    """End the rows of this rule that run no more, as is known where a newer run of it has the claim."""
    for left in store.current().jobs(rule).running().filter(host=host.host_name()):
        failure.lose(site, left)


def reconcile(site: conf.Site) -> bool:
    """End the rows of this host whose process is gone (a crash, a power cut).

    What the spool holds comes first: a process may have ended its row there. Gives whether each has its
    end: systemd may still be ending what a process has left behind.

    :raises DatabaseAway: what is not ended by then is left.
    """
    drain(site)
    here = store.current().jobs().running().filter(host=host.host_name())
    gone = [job for job in here if job.boot_id != boot.boot_id() or not claim.is_claimed(site, job.rule_name)]
    return all([failure.lose(site, job) for job in gone])
