"""End the row of a job that could not do so itself, by the words of systemd."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from linod_systemd import clock
from linod_systemd.common import host, unit_names
from linod_systemd.jobs import consequences, service_result
from linod_systemd.rules import slot
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.choices import Status, StopReason, Trigger
from linod_systemd.store.job import Job
from linod_systemd.systemd import boot, journal_client, systemctl
from linod_systemd.systemd.journal_client import JournalAway

logger = logging.getLogger("linod.record_end")


def lose(site: config.Site, job: Job) -> bool:
    """End the row of a job that no process is running any more.

    Where systemd still knows how that invocation ended, its word counts. Gives False where it is still
    ending it.
    """
    if job.invocation_id:
        try:
            monitored = service_result.last_known(site, job.rule_name, job.invocation_id)
        except JournalAway as error:  # the row has its end now, and `starts` will know a better one
            logger.error("%s", error)
            monitored = {}
        if monitored is None:
            return False
        if monitored:
            record(site, job.rule_name, monitored, service_result.complete_text(job.invocation_id))
            return True
    reason = "the machine went down" if job.boot_id != boot.boot_id() else "its process is gone"
    message = _logged(site, job) or job.message
    if rule_store.current().finish(job, status=Status.LOST, reason=reason, message=message):
        logger.error("%s: job #%s is lost: %s", job.rule_name, job.pk, reason)
    return True


def _logged(site: config.Site, job: Job) -> str:
    """What the journal has of a job, for its message."""
    if not job.invocation_id:
        return journal_client.text_of_job(site.name, job.pk)
    # The attempts of one invocation are told apart by time; the first has what came before it, too.
    since = clock.from_database(job.start_datetime) if job.attempt > 1 else None
    return journal_client.text_of_invocation(job.invocation_id, since)


def record(
    site: config.Site,
    name: str,
    monitored: Mapping[str, str],
    message: str = "",
    ended: datetime | None = None,
) -> None:
    """Give the job of this invocation its end; a second time, nothing happens.

    :param monitored: the MONITOR_* variables.
    :param message: what the invocation logged, where the journal need not be asked any more.
    :param ended: when (aware); now, if not given.
    """
    verdict = service_result.verdict(monitored)
    ended = ended or datetime.now(UTC)
    source = rule_store.current()
    job = source.jobs().of_invocation(verdict.invocation_id).order_by("pk").last()
    began = job is not None and job.uuid != _key(verdict.invocation_id)
    if job is None:
        job = never_begun(site, name, verdict.invocation_id, ended, boot.boot_id())
    if not began:
        verdict = verdict.but(f"it did not begin: {verdict.reason}")
    elif verdict.status == Status.TIMEOUT and not _had_its_time(job, ended):
        verdict = verdict.but(StopReason.WAS_DEAF, stopped=True)
    finished = source.finish(
        job,
        status=verdict.status,
        reason=verdict.reason,
        message=message or _logged(site, job) or job.message,
        exit_code=verdict.exit_code,
        ended=clock.to_database(ended),
        overrules=verdict.overrules,
    )
    if not finished:
        return  # it had said its end itself
    logger.error("%s: job #%s ended: %s (%s)", name, job.pk, verdict.status, verdict.reason)
    if began and not verdict.was_stopped:
        consequences.judge(job, retries=True)


def _had_its_time(job: Job, ended: datetime) -> bool:
    """Whether a job that systemd gave up ran for its timeout, and was not just deaf to `systemctl stop`."""
    took = ended - clock.from_database(job.start_datetime)
    rule = rule_store.current().rule(job.rule_name)
    return rule is None or took > timedelta(seconds=rule.rule.timeout * 0.9 - 5)


def never_begun(site: config.Site, name: str, invocation_id: str, start: datetime, boot_id: str) -> Job:
    """A row for a run that died before it could write one. Such a rule is not cancelled: what failed is
    the site or its database, and the next time may be well.

    :param boot_id: of the boot in which it was; empty: of an earlier one.
    """
    return rule_store.current().keep(
        {
            "uuid": _key(invocation_id),
            "rule_name": name,
            "start_datetime": clock.to_database(start),
            "status": Status.LOST,
            "trigger": _trigger(site, name, invocation_id),
            "invocation_id": invocation_id,
            "host": host.host_name(),
            "boot_id": boot_id,
        }
    )


def _trigger(site: config.Site, rule: str, invocation_id: str) -> Trigger:
    """What started an invocation that could not say so: its timer, if that elapsed right then; else a person.

    Taken for the timer's where systemd does not know any more.
    """
    stored = rule_store.current().rule(rule)
    if stored is not None and stored.requested_at is not None:
        return Trigger.MANUAL
    unit, per_user = unit_names.service(site.unit_prefix, rule), not site.configured
    if not systemctl.is_running():
        return Trigger.TIMER
    if systemctl.properties(unit, ["InvocationID"], per_user=per_user).get("InvocationID") != invocation_id:
        return Trigger.TIMER
    began = systemctl.timestamp(unit, "InactiveExitTimestamp", per_user=per_user)
    timer = unit_names.timer(site.unit_prefix, rule)
    elapsed = systemctl.timestamp(timer, "LastTriggerUSec", per_user=per_user)
    if began is None or (elapsed is not None and abs(began - elapsed) < slot.ELAPSE_TO_START):
        return Trigger.TIMER
    return Trigger.MANUAL


def _key(invocation_id: str) -> uuid.UUID:
    """The key of the row of an invocation that wrote none."""
    return uuid.uuid5(uuid.NAMESPACE_OID, f"linod invocation {invocation_id}")
