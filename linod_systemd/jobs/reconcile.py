"""Bring the rows of jobs up to date: with the spool, and with the processes that are gone."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError

from linod_systemd.common import host
from linod_systemd.jobs import consequences, record_end, running, spool
from linod_systemd.sites import config
from linod_systemd.store import database, rule_store
from linod_systemd.store.choices import BAD_ENDS, Status
from linod_systemd.store.job import Job
from linod_systemd.systemd import boot
from linod_systemd.systemd.service_result import ServiceResult

logger = logging.getLogger("linod.reconcile")


def drain(site: config.Site) -> int:
    """Write into the database what the spool holds, in order; how many records.

    Each goes by its own key, so that one which is written and not yet removed is not written twice.

    :raises DatabaseAway: what is not written by then stays.
    """
    if not spool.waiting(site):
        return 0
    written, refused = 0, ""
    with spool.locked(site), database.reachable(site):
        for path in spool.waiting(site):
            try:
                record = spool.read(path)
                with database.atomic():
                    _take(site, record)
            except IntegrityError as error:
                refused = refused or f"{path.name}: {error}"
                continue
            except (ValueError, KeyError, DataError) as error:
                spool.set_aside(path, error)
                continue
            spool.remove(path)
            written += 1
    if refused:
        logger.error(
            "site %s: records of the spool wait, as the database refuses them: %s", site.name, refused
        )
    logger.info("site %s: %d records of the spool are in the database", site.name, written)
    return written


def _take(site: config.Site, record: dict[str, Any]) -> None:
    if record["kind"] == spool.ROW:
        _take_row(site, record["row"], judge=bool(record["judge"]))
    else:
        ended = datetime.fromisoformat(record["ended"])
        result = ServiceResult.from_environment(record["monitored"])
        record_end.by_systemd(site, record["rule"], result, record["message"], ended)


def _take_row(site: config.Site, values: dict[str, Any], *, judge: bool) -> None:
    fields = {field.name: field for field in Job._meta.concrete_fields}
    row = {name: fields[name].to_python(value) for name, value in values.items()}
    known = rule_store.current().jobs().filter(uuid=row["uuid"]).first()
    if known is None:
        if row["status"] == Status.RUNNING:
            lose_others(site, row["rule_name"])
        known = rule_store.current().keep(row)
    elif row["status"] == Status.RUNNING or not record_end.by_spool(known, row):
        return
    if judge and known.status in BAD_ENDS:
        consequences.judge(known)


def lose_others(site: config.Site, rule: str) -> None:
    """End the rows of this rule that run no more, as is known where a newer run holds its lock."""
    for left in rule_store.current().jobs(rule).running().filter(host=host.host_name()):
        record_end.lose(site, left)


def reconcile(site: config.Site) -> bool:
    """End the rows of this host whose process is gone (a crash, a power cut).

    What the spool holds comes first: a process may have ended its row there. Gives whether each has its
    end: systemd may still be ending what a process has left behind.

    :raises DatabaseAway: what is not ended by then is left.
    """
    drain(site)
    here = rule_store.current().jobs().running().filter(host=host.host_name())
    gone = [
        job for job in here if job.boot_id != boot.boot_id() or not running.is_locked(site, job.rule_name)
    ]
    return all([record_end.lose(site, job) for job in gone])
