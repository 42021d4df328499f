"""The tags and filters of our admin pages. Django gives the first page of an app no values but its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import template
from django.template.context import RequestContext
from django.urls import reverse
from django.utils.safestring import SafeString

from linod_systemd import clock
from linod_systemd.jobs import overview
from linod_systemd.jobs.health import Health
from linod_systemd.pages import words
from linod_systemd.store import rule_store, spans
from linod_systemd.store.job import Job

register = template.Library()


@register.inclusion_tag("admin/linod_systemd/overview.html", takes_context=True)
def linod_overview(context: RequestContext) -> dict[str, Any]:
    """How the site is, for those who may look at its rules and its jobs."""
    user = context["request"].user
    if not user.has_perms(("linod_systemd.view_jobrule", "linod_systemd.view_job")):
        return {}
    return {"seen": overview.of_site(rule_store.current().site)}


@register.filter
def rule_page(name: str) -> str:
    """The address of the page of the rule of this name."""
    return f"{reverse('admin:linod_systemd_jobrule_named')}?{urlencode({'name': name})}"


@register.filter
def remedy(health: Health) -> str:
    """The remedy for the trouble of a rule."""
    return health.remedy(rule_store.current().site)


@register.filter
def moment(instant: datetime) -> SafeString:
    """An instant, seen from now."""
    return words.moment(instant)


@register.filter
def began(job: Job) -> SafeString:
    """When a job began, seen from now."""
    return words.moment(clock.from_database(job.start_datetime))


@register.filter
def job_link(job: Job) -> SafeString:
    return words.job_link(job)


@register.filter
def took(job: Job) -> str:
    return spans.duration(job.seconds)


@register.filter
def state(health: Health) -> SafeString:
    """How a rule stands."""
    return words.state(health)
