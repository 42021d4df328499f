"""Begin the rows of jobs: in the database or, while that is away, in the spool."""

from __future__ import annotations

import logging
import uuid
from datetime import datetime

from django.db import IntegrityError

from linod_systemd import clock
from linod_systemd.common import host, unit_names
from linod_systemd.jobs import backfilling, rerun, spool
from linod_systemd.jobs.rerun import Owed
from linod_systemd.jobs.running import IsRunning
from linod_systemd.rules import slot
from linod_systemd.sites import config
from linod_systemd.store import database, rule_store
from linod_systemd.store.choices import Status, Trigger
from linod_systemd.store.database import DatabaseAway
from linod_systemd.store.job import Job
from linod_systemd.store.rule_store import Run, StoredRule
from linod_systemd.systemd import systemctl

logger = logging.getLogger("linod.rows")


class SlotTaken(Exception):
    """Another host, or another process of this one, has just begun to run this slot."""


def label(job: Job) -> str:
    """Name a job: ``job #7``, or by its uuid where it has no number yet."""
    return f"job #{job.pk}" if job.pk else f"job {job.uuid}"


def begin(site: config.Site, rule: StoredRule, job: Job) -> Run:
    """Write the row of a run that begins.

    The spool keeps it where the database is away, and where it refuses the row for a reason of its own, such
    as a column of a newer version, or a trigger.

    :raises IsRunning: where another row of the rule is running.
    :raises SlotTaken: where another row has this slot.
    :raises SpoolError: where neither database nor spool can be written.
    """
    source = rule_store.current()
    if rule.is_stored:
        try:
            with database.reachable(site):
                try:
                    return source.claim(rule, job)
                except IntegrityError as error:
                    _raise_taken(job, error)
                    raise
        except DatabaseAway as error:
            logger.error("%s: %s", job.rule_name, error)
    spool_row(site, job)
    return Run(source, rule, job, source.procedure(rule))


def _raise_taken(job: Job, error: IntegrityError) -> None:
    """Raise by which of our constraints the row was refused; nothing happens where it was none of them."""
    others = rule_store.current().jobs(job.rule_name)
    if others.running().exists():
        raise IsRunning(job.rule_name) from error
    if job.slot is not None and job.attempt == 1 and others.of_slot(job.rule_name, job.slot).exists():
        raise SlotTaken(str(job.slot)) from error


def spool_row(site: config.Site, job: Job, *, judge: bool = False) -> None:
    """Keep a row in the spool, as it is now, until the database can take it.

    :param judge: whether what follows from a bad end is still to be done.
    :raises SpoolError: where the spool cannot be written.
    """
    values = {}
    for field in Job._meta.concrete_fields:
        if field.name not in ("id", "rule"):
            value = getattr(job, field.attname)
            values[field.name] = None if value is None else field.value_to_string(job)
    spool.put_row(site, job.uuid.hex, clock.from_database(job.start_datetime), values, judge=judge)


def never_begun(
    site: config.Site, name: str, invocation_id: str, at: datetime, boot_id: str, *, is_start: bool
) -> Job:
    """Write the row of a run that died before it could write one; it has the slot that it was for.

    Its rule is not cancelled: the site or its database failed, and the next time may be well.

    :param at: when it started (``is_start``), or some time after (aware).
    :param boot_id: of the boot in which it was; empty: of an earlier one.
    """
    source = rule_store.current()
    rule = source.rule(name)
    trigger, attempt, slot_of = Trigger.TIMER, 1, None
    if rule is not None and rule.requested_at is not None:
        asked = rerun.of(rule) or Owed(Trigger.MANUAL, 1, None)
        trigger, attempt, slot_of = asked.trigger, asked.attempt, asked.scheduled_for
        if trigger == Trigger.BACKFILL:
            backfilling.has_begun(name, slot_of)
    else:
        trigger, start = _trigger(site, name, invocation_id)
        start = at if is_start else start
        if trigger == Trigger.TIMER and rule is not None and start is not None:
            slot_of = _free_slot(rule, start)
    return source.keep(
        {
            "uuid": key_of(invocation_id),
            "rule_name": name,
            "start_datetime": clock.to_database(at),
            "status": Status.LOST,
            "blameless": True,
            "owed": slot_of is not None and trigger != Trigger.BACKFILL,
            "trigger": trigger,
            "attempt": attempt,
            "scheduled_for": slot_of,
            "invocation_id": invocation_id,
            "host": host.host_name(),
            "boot_id": boot_id,
        }
    )


def _trigger(site: config.Site, rule: str, invocation_id: str) -> tuple[Trigger, datetime | None]:
    """Tell who started an invocation that could not say so, and when, as far as systemd still knows.

    Its timer, if that elapsed then; else a person. The timer's, where systemd does not know any more.
    """
    unit, per_user = unit_names.service(site.unit_prefix, rule), not site.configured
    if not systemctl.is_running():
        return Trigger.TIMER, None
    if systemctl.properties(unit, ["InvocationID"], per_user=per_user).get("InvocationID") != invocation_id:
        return Trigger.TIMER, None
    began = systemctl.timestamp(unit, "InactiveExitTimestamp", per_user=per_user)
    timer = unit_names.timer(site.unit_prefix, rule)
    elapsed = systemctl.timestamp(timer, "LastTriggerUSec", per_user=per_user)
    if began is None or (elapsed is not None and abs(began - elapsed) < slot.ELAPSE_TO_START):
        return Trigger.TIMER, began
    return Trigger.MANUAL, began


def _free_slot(rule: StoredRule, start: datetime) -> int | None:
    """Return the slot that a timer's start (aware) was for, as the row has it; None: it was for none."""
    slots = rule.slots()
    due = None if slots is None else slots.last_before(start)
    if due is None or (rule.live_since is not None and due <= rule.live_since):
        return None
    is_taken = rule_store.current().jobs().of_slot(rule.name, due).exists()
    return None if is_taken else clock.to_slot(due)


def key_of(invocation_id: str) -> uuid.UUID:
    """The key of the row of an invocation that wrote none."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"linod invocation {invocation_id}")
