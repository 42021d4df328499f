"""Do what follows from a bad end of a job: try again, or cancel the rule; and tell people."""

from __future__ import annotations

import logging

from linod_systemd.common import unit_names
from linod_systemd.jobs import mail
from linod_systemd.rules.rule import Rule
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.choices import BAD_ENDS, CancelledBy
from linod_systemd.store.job import STOPPED, Job

logger = logging.getLogger("linod.consequences")


def judge(job: Job, *, retries: bool = False) -> None:
    """Do what follows from a bad end: try again, or cancel the rule; and tell people.

    :param retries: whether an attempt that is left is to be asked for, as no runner does it.
    """
    source = rule_store.current()
    stored = source.rule(job.rule_name)
    rule = None if stored is None else stored.rule
    if rule is not None and retries and not rule.cancelled and job.attempt <= rule.retries:
        source.request_run(rule.name)
        logger.error("%s: job #%s is tried again", job.rule_name, job.pk)
        return
    if rule is not None and not rule.cancel_on_manual_failure and job.was_by_hand:
        _tell(job, "the rule goes on", "It was started by hand, and its timer goes on.", is_final=False)
        return
    limit = 1 if rule is None else int(rule.cancel_on_failure)
    failures = 0 if rule is None else _in_a_row(rule, limit)
    if rule is not None and (limit == 0 or failures < limit):
        _tell(job, "the rule goes on", _goes_on(failures, limit), is_final=False)
        return
    source.cancel(job.rule_name, CancelledBy.FAILURE)
    remedy = way_back(source.site, job.rule_name)
    logger.error("%s: cancelled after job #%s (%s). %s", job.rule_name, job.pk, job.status, remedy)
    _tell(job, "the rule is cancelled", remedy, is_final=True)


def tell_never_run(job: Job) -> None:
    """Tell of a slot that was tried again until its next one was due, and in vain; the rule goes on."""
    logger.error("%s: the slot of job #%s was never run: its next one is due", job.rule_name, job.pk)
    what = f"Attempt {job.attempt} was the last, as the next run is due. The rule goes on."
    _tell(job, "its slot was never run", what, is_final=False)


def way_back(site: config.Site, rule: str) -> str:
    """How a rule that a failure cancelled comes back, in one sentence for people."""
    enable = config.command(site.name, "enable", rule)
    start = f", and so does each start of {unit_names.supervisor(site.name)}" if site.supervisor else ""
    return f"Once it is mended, `{enable}` brings it back{start}; a reload does not."


def _in_a_row(rule: Rule, limit: int) -> int:
    """How many of its last runs ended badly, one after the other; counted no further than the limit."""
    jobs = rule_store.current().jobs(rule.name).started().exclude(STOPPED).exclude(blameless=True)
    if not rule.cancel_on_manual_failure:
        jobs = jobs.by_themselves()
    failures, later = 0, None
    for job in jobs.defer("message")[: limit * (rule.retries + 1)]:
        if job.status not in BAD_ENDS:
            break
        failures += later is None or not job.is_attempt_before(later)
        later = job
    return failures


def _goes_on(failures: int, limit: int) -> str:
    if limit == 0:
        return "It goes on all the same, and further failures are not mailed until it has recovered."
    return f"It is cancelled after {limit} failures in a row; this was number {failures}."


def _tell(job: Job, consequence: str, remedy: str, *, is_final: bool) -> None:
    try:
        rule_store.current().tell_failure(job, consequence)
    except Exception:  # code of the site, whatever it raises; the failure itself is on record
        logger.exception("the site was not told by its own way about job #%s", job.pk)
    mail.tell_failure(job, consequence, remedy, is_final=is_final)
