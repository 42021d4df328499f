"""Find a run that is still to come: the next attempt of a job that died, or of one that a shutdown ended."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from linod_systemd.common import host, unit_names
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.choices import BAD_ENDS, Status, StopReason, Trigger
from linod_systemd.store.job import Job
from linod_systemd.store.rule_store import StoredRule
from linod_systemd.systemd import boot, systemctl

logger = logging.getLogger("linod.owed")


@dataclass(frozen=True)
class Owed:
    """The earlier run for which a requested start stands in."""

    trigger: Trigger
    attempt: int
    scheduled_for: int | None


def of(rule: StoredRule) -> Owed | None:
    """Return the run that the last job of a rule left to be done (None: a person asked for the start)."""
    last = rule_store.current().jobs(rule.name).started().first()
    if last is None:
        return None
    if _interrupted(last):
        return Owed(Trigger.CATCH_UP, last.attempt + 1, last.scheduled_for)
    if last.status in BAD_ENDS and not rule.rule.cancelled and last.attempt <= rule.rule.retries:
        return Owed(Trigger.RETRY, last.attempt + 1, last.scheduled_for)
    return None


def _interrupted(job: Job) -> bool:
    """Whether it ended with the machine. What was lost in a power cut is made up for once only: it may be
    what brings the machine down."""
    if job.boot_id == boot.boot_id() or job.host != host.host_name():
        return False
    if job.status == Status.LOST:
        return job.trigger != Trigger.CATCH_UP
    return job.status == Status.KILLED and job.reason == StopReason.SHUTDOWN


def request(site: config.Site) -> None:
    """Ask for the runs that rules which catch up are owed since the machine went down.

    A timer with Persistent= does not: it noted its elapse when the job began. Nothing is asked for twice:
    a service that has been started since the boot is left alone.
    """
    for rule in rule_store.current().rules():
        plain = rule.rule
        if plain.cancelled or plain.every_unit == "never" or not plain.makes_up or not _is_owed(rule):
            continue
        unit = unit_names.service(site.unit_prefix, rule.name)
        if systemctl.is_running() and systemctl.timestamp(unit, "InactiveExitTimestamp") is None:
            logger.info("%s: is run again, as the machine went down", rule.name)
            rule_store.current().request_run(rule.name)


def _is_owed(rule: StoredRule) -> bool:
    last = rule_store.current().jobs(rule.name).started().first()
    return last is not None and _interrupted(last)
