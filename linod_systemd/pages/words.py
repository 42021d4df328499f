"""Say instants and the state of jobs on the admin's pages."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from linod_systemd import clock
from linod_systemd.common.text import visible
from linod_systemd.jobs.health import Health
from linod_systemd.store import rule_store, spans
from linod_systemd.store.choices import Status
from linod_systemd.store.job import Job


def local_time(instant: datetime) -> str:
    """An instant on the site's wall clock, with its zone."""
    return timezone.localtime(instant, timezone.get_default_timezone()).strftime("%Y-%m-%d %H:%M:%S %Z")


def begin_of(job: Job) -> str:
    """When a job began, on the site's wall clock."""
    return local_time(clock.from_database(job.start_datetime))


def moment(instant: datetime) -> SafeString:
    """An instant, seen from now: ``in 3 hours`` or ``3 hours ago``; the time itself beside it."""
    now = clock.utc_now()
    words = f"in {spans.span(instant - now)}" if instant > now else spans.ago(now - instant)
    local = timezone.localtime(instant, timezone.get_default_timezone())
    return format_html(
        '<time datetime="{}" title="{}" class="linod-when"><span>{}</span> <small>{}</small></time>',
        instant.isoformat(timespec="seconds"),
        local_time(instant),
        words,
        f"{local:%Y-%m-%d %H:%M}" + (f"{local::%S}" if local.second else ""),
    )


def kind(job: Job) -> str:
    """The class of a job in the stylesheet: of its bar and its badge."""
    if job.has_failed:
        return "bad"
    return {Status.RUNNING: "running", Status.SUCCESS: "good", Status.SKIPPED: "skipped"}.get(
        Status(job.status), "stopped"
    )


def kind_of_rule(health: Health) -> str:
    """The class of a rule's badge."""
    if health.trouble:
        return "bad"
    if health.rule.rule.cancelled:
        return "stopped"
    return "paused" if health.pause else "good"


def state(health: Health) -> SafeString:
    """How a rule stands: a word on its colour, and what else is to be known."""
    rule = health.rule
    word, _, more = health.state.partition(": ")
    if rule.rule.cancelled:
        word, more = "cancelled", health.state.removeprefix("cancelled ")
    elif health.trouble:
        word, more = _short(health), health.trouble
    elif health.state == "live" and rule.requested_at:
        word = "run requested"
    elif health.pause:
        word, more = "paused", health.pause.removeprefix("paused ")
    notes = [more] if more else []
    notes += [f"edited: {'; '.join(health.edits)}"] if health.edits else []
    notes += [health.remedy(rule_store.current().site)] if rule.rule.cancelled and health.trouble else []
    return format_html("{} {}", badge(kind_of_rule(health), word), visible("; ".join(notes)))


def _short(health: Health) -> str:
    """One word for a trouble."""
    if health.impossible:
        return "impossible"
    if health.silent_since is not None:
        return "silent"
    return "overdue" if health.overdue is not None else health.last_status


def badge(kind: str, words: str) -> SafeString:
    """A word on its colour."""
    return format_html('<span class="linod-badge linod-{}">{}</span>', kind, words)


def job_page(number: int) -> str:
    """The address of the page of a job."""
    return f"{reverse('admin:linod_systemd_job_changelist')}{number}/change/"


def job_link(job: Job) -> SafeString:
    """How a job ended, as a link to its page."""
    return format_html('<a href="{}">{}</a>', job_page(job.pk), badge(kind(job), job.status))


def in_words(job: Job) -> str:
    """One job in a line: ``success, 2026-12-01 04:00:00 UTC, 0.42 s``."""
    took = "" if job.seconds is None else f", {spans.duration(job.seconds)}"
    reason = f": {job.reason}" if job.reason else ""
    return f"{job.status}, {begin_of(job)}{took}{reason}"
