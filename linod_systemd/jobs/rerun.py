"""Find the runs that are still to come, and ask for them: further attempts, and slots that are owed.

A slot is owed where its run did not begin, failed for a reason that the procedure could not help, or was
ended by a shutdown. It is tried again, after waits that grow, until the next slot is due. Example: a run of
03:00 finds the database away; it is tried again at 03:00:30, 03:01, 03:02, 03:04, and so on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from linod_systemd import clock
from linod_systemd.common import host, unit_names
from linod_systemd.jobs import backfilling, running
from linod_systemd.sites import config
from linod_systemd.store import pause, rule_store
from linod_systemd.store.choices import BAD_ENDS, Status, StopReason, Trigger
from linod_systemd.store.job import Job
from linod_systemd.store.rule_store import StoredRule
from linod_systemd.systemd import boot, systemctl

logger = logging.getLogger("linod.owed")

FIRST_WAIT, LONGEST_WAIT = 2.0, 300.0  # seconds before an attempt after the first


@dataclass(frozen=True)
class Owed:
    """The earlier run for which a requested start stands in.

    ``has_waited``: whether the wait before this attempt is over already.
    """

    trigger: Trigger
    attempt: int
    scheduled_for: int | None
    has_waited: bool = False


def wait_before(attempt: int) -> float:
    """Seconds from the end of the previous attempt: 2, 4, 8, … at most 300.

    :param attempt: the number of the coming one, from 2.
    """
    return min(FIRST_WAIT * 2.0 ** min(attempt - 2, 20), LONGEST_WAIT)


def of(rule: StoredRule) -> Owed | None:
    """Return the run that the last job of a rule left to be done (None: a person asked for the start)."""
    jobs = rule_store.current().jobs(rule.name)
    last = jobs.started().first()
    if last is not None and _interrupted(last):
        return Owed(Trigger.CATCH_UP, last.attempt + 1, last.scheduled_for)
    if (past := backfilling.next_of(rule.name)) is not None:
        return Owed(Trigger.BACKFILL, backfilling.attempt_of(past), past.slot, has_waited=True)
    if last is None:
        return None
    owed = jobs.owed().filter(host=host.host_name()).first()
    if owed is not None and not _was_tried_again(owed):
        return Owed(Trigger.RETRY, owed.attempt + 1, owed.scheduled_for, has_waited=True)
    if last.status in BAD_ENDS and not rule.rule.cancelled and last.attempt <= rule.rule.retries:
        return Owed(Trigger.RETRY, last.attempt + 1, last.scheduled_for)
    return None


def can_be_owed(rule: StoredRule | None, job: Job) -> bool:
    """Whether the slot of a job is one that may be tried again: a person sees how a run by hand ends."""
    by_a_person = job.scheduled_for is None or job.trigger == Trigger.BACKFILL
    return not by_a_person and rule is not None and rule.slots() is not None


def request(site: config.Site) -> None:
    """Ask for the runs that rules which catch up are owed since the machine went down.

    A timer with Persistent= does not: it noted its elapse when the job began. Nothing is asked for twice:
    a service that has been started since the boot is left alone.
    """
    for rule in rule_store.current().rules():
        plain = rule.rule
        if plain.cancelled or plain.every_unit == "never" or not plain.makes_up or not _is_interrupted(rule):
            continue
        unit = unit_names.service(site.unit_prefix, rule.name)
        if systemctl.is_running() and systemctl.timestamp(unit, "InactiveExitTimestamp") is None:
            logger.info("%s: is run again, as the machine went down", rule.name)
            rule_store.current().request_run(rule.name)


def request_owed(site: config.Site) -> list[Job]:
    """Ask for a further attempt of each owed slot that has waited; the jobs whose slot is owed no more, and
    was never run: its next one is due."""
    source, now, given_up = rule_store.current(), clock.utc_now(), []
    for job in source.jobs().owed().filter(host=host.host_name()).defer("message"):
        rule = source.rule(job.rule_name)
        following = _next_slot(rule, job)
        if rule is None or following is None or _was_tried_again(job):
            _owe_no_more(job)
        elif following <= now:
            _owe_no_more(job)
            given_up.append(job)
        elif _has_waited(job, now) and not _is_held(site, rule, now):
            logger.info("%s: the slot of job #%s is tried again", rule.name, job.pk)
            source.request_run(rule.name)
    return given_up


def _next_slot(rule: StoredRule | None, job: Job) -> datetime | None:
    """Return when the occurrence after that of a job is due; None: its slot is not the rule's any more."""
    slots = None if rule is None else rule.slots()
    if rule is None or slots is None or job.slot is None or rule.rule.cancelled:
        return None
    if rule.live_since is not None and job.slot <= rule.live_since:
        return None
    return slots.next_after(job.slot) or datetime.max.replace(tzinfo=job.slot.tzinfo)


def _has_waited(job: Job, now: datetime) -> bool:
    ended = clock.from_database(job.end_datetime or job.start_datetime)
    return now >= ended + timedelta(seconds=wait_before(job.attempt + 1))


def _is_held(site: config.Site, rule: StoredRule, now: datetime) -> bool:
    """Whether a run was asked for already, is under way, or is not wanted now."""
    paused = pause.last_of(rule.name, rule_store.current().pauses(now, rule=rule.name))
    return rule.requested_at is not None or paused is not None or running.is_locked(site, rule.name)


def _was_tried_again(job: Job) -> bool:
    further = rule_store.current().jobs(job.rule_name)
    return further.filter(scheduled_for=job.scheduled_for, attempt__gt=job.attempt).exists()


def _owe_no_more(job: Job) -> None:
    rule_store.current().jobs().filter(pk=job.pk).update(owed=False)


def _is_interrupted(rule: StoredRule) -> bool:
    last = rule_store.current().jobs(rule.name).started().first()
    return last is not None and _interrupted(last)


def _interrupted(job: Job) -> bool:
    """Whether it ended with the machine. What was lost in a power cut is made up for once only: it may be
    what brings the machine down."""
    if job.boot_id == boot.boot_id() or job.host != host.host_name() or job.blameless:
        return False
    if job.status == Status.LOST:
        return job.trigger != Trigger.CATCH_UP
    return job.status == Status.KILLED and job.reason == StopReason.SHUTDOWN
