"""Run a rule in this process: its lock, its attempts with their rows, its log, its exact end."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import close_old_connections

from linod_systemd import clock
from linod_systemd.common import host
from linod_systemd.errors import AlreadyRunning
from linod_systemd.jobs import (
    backfilling,
    mail,
    reconcile,
    record_end,
    rerun,
    rows,
    running,
    skipped,
    unrecorded_starts,
)
from linod_systemd.jobs.outcome import Outcome
from linod_systemd.jobs.rerun import Owed
from linod_systemd.jobs.rows import SlotTaken
from linod_systemd.jobs.running import IsRunning
from linod_systemd.procedures import LogLevels
from linod_systemd.recurrence.periods import INSTANT
from linod_systemd.rules import slot
from linod_systemd.rules.slot import Past
from linod_systemd.runner import attempt, job_log
from linod_systemd.runner.start import Start
from linod_systemd.sites import config
from linod_systemd.store import database, lookup
from linod_systemd.store.choices import Status, Trigger
from linod_systemd.store.database import DatabaseAway
from linod_systemd.store.job import Job
from linod_systemd.store.progress import Progress
from linod_systemd.store.rule_store import Run, StoredRule
from linod_systemd.systemd import boot, cgroup, invocation
from linod_systemd.systemd.cgroup import Usage
from linod_systemd.systemd.invocation import Invocation
from linod_systemd.systemd.notify import Notifier

logger = logging.getLogger("linod.execute")


def execute(site: config.Site, name: str, *, warm: bool = False, elapsed: datetime | None = None) -> int:
    """Run a rule now, in this process, and leave a Job row for each attempt; the exit code of linod-run.

    :param elapsed: when its timer did (aware), where that is none of systemd's.
    :param warm: whether this process was forked from one that had loaded the site.
    :raises NoSuchRule: where no rule has this name.
    :raises AlreadyRunning: where its previous run has not ended.
    :raises ConfigurationError: where neither the database nor rules.json, or the state folder, can be used.
    """
    rule = _find(site, name)
    by = invocation.current(site, name) if elapsed is None else Invocation(rang=elapsed)
    start = Start.of(rule, by, warm=warm)
    try:
        with running.lock_held(site, name):
            if not _is_to_run(site, start):
                _mark_ended(site, start)
                return 0
            outcome = _attempts(site, start)
    except SlotTaken:
        _mark_ended(site, start)
        return 0
    except IsRunning as error:
        _mark_ended(site, start)
        raise _refused(site, start) from error
    _mark_ended(site, start)
    if rule.is_stored and start.by.by_systemd:
        with _told_if_away(site, rule):
            backfilling.go_on(name)
    mail.send_here(site)
    return outcome.exit_code


def _refused(site: config.Site, start: Start) -> AlreadyRunning:
    """Return the error for a rule that is running already; a slot that is passed over gets its row."""
    try:
        with database.reachable(site):
            said = running.error_for(start.rule.name)
            if start.due is not None and start.rule.is_stored:
                skipped.note(start.rule, start.due, said.message)
    except DatabaseAway as error:
        logger.warning("%s: %s", start.rule.name, error)
        said = AlreadyRunning(f"the rule {start.rule.name!r} is already running", running.remedy())
    return said


def _find(site: config.Site, name: str) -> StoredRule:
    """The rule; as rules.json knows it, where the database is away: the job may not need it."""
    try:
        with database.reachable(site):
            reconcile.drain(site)
            return lookup.find_rule(name)
    except DatabaseAway as error:
        rule = lookup.find_exported(site, name)
        if rule is None:
            raise
        logger.warning("%s: %s", name, error)
        return rule


@contextlib.contextmanager
def _told_if_away(site: config.Site, rule: StoredRule, level: int = logging.WARNING) -> Iterator[None]:
    """Do what a run can do without: a database that is away is told, and ends the body, and not the run."""
    try:
        with database.reachable(site):
            yield
    except DatabaseAway as error:
        logger.log(level, "%s: %s", rule.name, error)


def _mark_ended(site: config.Site, start: Start) -> None:
    if start.by.by_systemd:
        invocation.mark_ended(site, start.rule.name)


def _is_to_run(site: config.Site, start: Start) -> bool:
    """Whether this start is for a run; an occurrence that is passed over has its row."""
    rule, past = start.rule, Past()
    if start.by.rang is None:
        return True
    with _told_if_away(site, rule):
        past = start.past()
    decision = start.decide(past)
    if decision.is_noted and start.due is not None and rule.is_stored:
        with _told_if_away(site, rule, logging.ERROR):  # the supervisor looks back at its start, and does
            skipped.note(rule, start.due, decision.reason)
    if not decision.runs:
        logger.warning("%s: its timer rang, and it is not run: %s", rule.name, decision.reason)
    return decision.runs


def _attempts(site: config.Site, start: Start) -> Outcome:
    """Run the rule, and again while it fails and has retries left; how the last one ended."""
    rule, asked = start.rule, None
    if rule.is_stored and rule.requested_at and start.by.by_systemd and start.by.rang is None:
        with _told_if_away(site, rule, logging.ERROR):
            asked = rerun.of(rule)
    retries = rule.rule.retries
    notifier, number, outcome = Notifier(), asked.attempt if asked else 1, None
    while True:
        if number > 1 and not (asked and asked.has_waited):
            wait = rerun.wait_before(number)
            notifier.extend_timeout(wait + rule.rule.timeout)
            if not attempt.rest(wait):
                return outcome or attempt.terminated()
        run = begin(site, start, number, asked)
        outcome = _run(site, start, run, is_last=number > retries)
        if outcome.status != Status.FAILED or number > retries:
            return outcome
        number += 1
        trigger = Trigger.BACKFILL if run.job.trigger == Trigger.BACKFILL else Trigger.RETRY
        asked = Owed(trigger, number, run.job.scheduled_for)


def run_by_hand(site: config.Site, name: str, ar: Any = None, logger: logging.Logger | None = None) -> Job:
    """Run a rule now, in this process, once; the job, which has ended.

    :param ar: what the procedure is called with; a request of this run, if it is None.
    :param logger: what that request logs to.
    :raises NoSuchRule, AlreadyRunning, ConfigurationError: as :func:`execute`.
    """
    start = Start(_find(site, name), Invocation())
    try:
        with running.lock_held(site, name):
            run = begin(site, start)
            _run(site, start, run, is_last=True, ar=ar, job_logger=logger)
        mail.send_here(site)
    except IsRunning as error:
        raise _refused(site, start) from error
    return run.job


def _drain(site: config.Site, job: Job) -> None:
    """Have the database take the row that the spool keeps, if it is back already."""
    try:
        reconcile.drain(site)
    except DatabaseAway as error:
        kept = f"{rows.label(job)} is kept in {site.spool_directory}"
        logger.warning("%s: %s: %s", job.rule_name, kept, error)


def begin(site: config.Site, start: Start, number: int = 1, asked: Owed | None = None) -> Run:
    """Write the row of an attempt that starts now; the caller holds the rule's lock.

    :param asked: what this start stands in for.
    :raises IsRunning: where another host is running the rule.
    :raises SlotTaken: where another host has run this slot.
    """
    rule = start.rule
    row = _row(start) | ({"trigger": asked.trigger, "scheduled_for": asked.scheduled_for} if asked else {})
    job = Job(start_datetime=clock.now(), attempt=number, **row)
    if rule.is_stored:
        with _told_if_away(site, rule):
            # This process holds the lock, so that no other process of this host runs the rule.
            reconcile.lose_others(site, rule.name)
            if asked is None and start.due is not None:
                _look_back(site, start, start.due - INSTANT)
    run = rows.begin(site, rule, job)
    if job.trigger == Trigger.BACKFILL:
        with _told_if_away(site, rule):
            backfilling.has_begun(rule.name, job.scheduled_for)
    return run


def _look_back(site: config.Site, start: Start, until: datetime) -> None:
    """Note what did not run before; a start that died before it could write its row gets that row first."""
    rule = start.rule
    if not skipped.has_gap(rule, until):
        return
    if start.by.by_systemd:
        try:
            unrecorded_starts.account_for(site, until)
        except OSError as error:  # up to when is not kept; the supervisor's next check accounts for them anew
            logger.error("%s: %s cannot be written: %s", rule.name, site.accounted_marker, error)
    skipped.note(rule, until)


def _row(start: Start) -> dict[str, Any]:
    by, trigger = start.by, Trigger.MANUAL
    if by.rang is not None:
        made_up = start.due is not None and slot.is_made_up(start.due, by.rang)
        trigger = Trigger.CATCH_UP if made_up else Trigger.TIMER
    return {
        "rule_name": start.rule.name,
        "trigger": trigger,
        "scheduled_for": clock.to_slot(start.due) if start.due else None,
        "invocation_id": by.id,
        "host": host.host_name(),
        "boot_id": boot.boot_id(),
        "warm": start.warm,
    }


def _run(
    site: config.Site,
    start: Start,
    run: Run,
    *,
    is_last: bool,
    ar: Any = None,
    job_logger: logging.Logger | None = None,
) -> Outcome:
    name, job, began = start.rule.name, run.job, time.monotonic()
    # That of the first attempt begins with the unit.
    before = cgroup.usage() if job.attempt > 1 else Usage(0.0)
    level = LogLevels(start.rule.rule.log_level).level
    with job_log.attached(site, job, level, to_stderr=not start.by.by_systemd) as log:
        logger.info("%s: %s started (%s)", name, rows.label(job), job.trigger)
        if ar is None:
            ar = run.request(job_logger or log.logger)
        outcome = attempt.call(run, ar)
        if isinstance(progress := getattr(ar, "progress", None), Progress):
            progress.settle()
        log.attach()
        if outcome.details:
            log.captured.add(outcome.details)
        if start.by.by_systemd:
            outcome = replace(outcome, usage=cgroup.usage().since(before))
            if is_last and (left := ", ".join(cgroup.left_behind())):
                logger.warning("%s: it leaves %s behind, which systemd ends with it", name, left)
                if outcome.status == Status.SUCCESS and not outcome.reason:
                    outcome = replace(outcome, reason=f"left behind, and ended with it: {left}")
        close_old_connections()  # a job may outlive its connection, or its SQLite file
        took = time.monotonic() - began
        reason = f" ({outcome.reason})" if outcome.reason else ""
        report = logger.info if outcome.status == Status.SUCCESS else logger.error
        report("%s: %s ended: %s%s after %.2f s", name, rows.label(job), outcome.status, reason, took)
        if outcome.details:
            logger.error("%s", outcome.details)
        if not record_end.by_runner(site, run, outcome, log.captured.text(), is_last=is_last):
            _drain(site, job)
    return outcome
