"""Mail the people of a site: a rule failed, has recovered, or has not succeeded for too long.

One mail for a failure, one for the recovery: a rule that fails every ten seconds is told of once, and one
that comes and goes no oftener than LINOD_MAIL_PAUSE_SECONDS lets it.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.conf import settings
from django.core.mail import EmailMessage

from linod_systemd import app_settings, clock
from linod_systemd.common.text import visible, visible_line
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.choices import BAD_ENDS
from linod_systemd.store.job import Job
from linod_systemd.store.next_due import local

logger = logging.getLogger("linod.people")

LAST_LINES = 20


def addresses() -> list[str]:
    """Those of LINOD_MAIL_TO, or else of ADMINS."""
    admins = [entry if isinstance(entry, str) else entry[1] for entry in settings.ADMINS]
    return list(app_settings.get("LINOD_MAIL_TO")) or admins


def mail(subject: str, text: str) -> bool:
    """Send one mail to them; whether it was sent. What is wrong with the server is told, not raised."""
    if not addresses():
        return False
    subject = f"{settings.EMAIL_SUBJECT_PREFIX}{visible_line(subject)}"
    try:
        EmailMessage(subject, text, settings.SERVER_EMAIL, addresses()).send()
    except OSError as error:  # smtplib's errors are OSErrors
        logger.error("the mail “%s” was not sent: %s", subject, error)
        return False
    return True


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
    if mail(subject, "\n\n".join(text) + "\n"):
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
    if mail(subject, text):
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
