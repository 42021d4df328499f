"""Mail the people of a site: a rule failed, has recovered, or has not succeeded for too long.

One mail for a failure, one for the recovery: a rule that fails every ten seconds is told of once, and one
that comes and goes no oftener than LINOD_MAIL_PAUSE_SECONDS lets it.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from datetime import timedelta

from linod_systemd import app_settings, clock
from linod_systemd.common.text import visible
from linod_systemd.jobs import mail_sender, outbox
from linod_systemd.jobs.outbox import Mail
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.choices import BAD_ENDS
from linod_systemd.store.job import Job
from linod_systemd.store.next_due import local

logger = logging.getLogger("linod.people")

LAST_LINES = 20


def mail(subject: str, text: str, **values: str) -> bool:
    """Leave one mail to them, to be sent by a process of its own; whether it is kept for that.

    :param values: what else the mail has (outbox.Mail).
    """
    if not mail_sender.addresses():
        return False
    site, gather = rule_store.current().site, app_settings.get("LINOD_MAIL_GATHER_SECONDS")
    try:
        outbox.put(site, Mail(subject, text, at=time.time(), **values), gather)
    except OSError as error:
        logger.error("the mail “%s” cannot be kept in %s: %s", subject, site.outbox_directory, error)
        return False
    return True


def send_here(site: config.Site) -> None:
    """Send the mails that wait where no supervisor does: after the job, in its process, with a time limit.

    A thread leaves them to the next run: the limit is a signal, which only a main thread gets.
    """
    if outbox.is_left_to_supervisor(site) or threading.current_thread() is not threading.main_thread():
        return
    mail_sender.send(site, only_due=False)


def _cause(job: Job) -> str:
    """Return the reason of a job without what differs from rule to rule: its name, and numbers."""
    return re.sub(r"0x[0-9a-f]+|[0-9]+", "…", job.reason.replace(job.rule_name, "…"))


def tell_failure(job: Job, consequence: str, remedy: str, *, is_final: bool) -> None:
    """Tell of a job that ended badly, if nobody knows of the rule's trouble yet.

    :param consequence: what became of the rule.
    :param is_final: whether it does not go on by itself.
    """
    told = _last_told(job.rule_name)
    if told is not None and _is_enough(told, consequence, is_final=is_final):
        return
    subject = f"{job.rule_name} {job.status} on {job.host}: {consequence}"
    last = "\n".join(f"  {line}" for line in visible(job.message).splitlines()[-LAST_LINES:])
    text = [
        f"The rule {job.rule_name} of site {rule_store.current().site.name}, started at "
        f"{local(clock.from_database(job.start_datetime))}, ended as {job.status}: {job.reason}",
        f"What it said last:\n{last}" if last else "It has said nothing.",
        f"What follows: {consequence}. {remedy}",
        f"To look further:\n{_commands(job)}",
    ]
    summary = f"{job.rule_name}: {consequence} (job #{job.pk}, {job.status})"
    values = {"kind": outbox.FAILURE, "cause": _cause(job), "summary": summary}
    if mail(subject, "\n\n".join(text) + "\n", rule=job.rule_name, host=job.host, **values):
        _note(job, consequence)


def tell_recovery(job: Job) -> None:
    """Tell of a job that ended well, if people were told of the rule's trouble before."""
    told = _last_told(job.rule_name)
    if told is None or told.status not in BAD_ENDS:
        return
    site = rule_store.current().site.name
    jobs = config.command(site, "jobs", job.rule_name)
    subject = f"{job.rule_name} has recovered on {job.host}"
    text = (
        f"The rule {job.rule_name} of site {site} has succeeded again, at "
        f"{local(clock.from_database(job.start_datetime))}. It had {told.status} with job #{told.pk}: "
        f"{told.reason}\n\nTo look further:\n  {jobs}\n"
    )
    values = {"kind": outbox.RECOVERY, "summary": f"{job.rule_name} (job #{job.pk})"}
    if mail(subject, text, rule=job.rule_name, host=job.host, **values):
        _note(job, "recovered")


def _last_told(rule: str) -> Job | None:
    return rule_store.current().jobs(rule).exclude(told="").first()


def _is_enough(told: Job, consequence: str, *, is_final: bool) -> bool:
    """Whether people know: of this trouble with this consequence, or of much coming and going."""
    if told.status in BAD_ENDS or is_final:
        return told.told == consequence
    pause = timedelta(seconds=app_settings.get("LINOD_MAIL_PAUSE_SECONDS"))
    return clock.utc_now() - clock.from_database(told.end_datetime or told.start_datetime) < pause


def _note(job: Job, what: str) -> None:
    rule_store.current().jobs().filter(pk=job.pk).update(told=what[:40])


def _commands(job: Job) -> str:
    site = rule_store.current().site.name
    commands = [config.command(site, "show", str(job.pk)), config.command(site, "jobs", job.rule_name)]
    if job.invocation_id:
        commands.append(f"journalctl _SYSTEMD_INVOCATION_ID={job.invocation_id}")
    return "\n".join(f"  {command}" for command in commands)
