"""The history of jobs in Django's admin: to be read, not changed; and the page of one job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from linod_systemd import clock
from linod_systemd.common.text import visible
from linod_systemd.errors import LinodError
from linod_systemd.jobs import stopping
from linod_systemd.models import Job
from linod_systemd.pages import one_job, words
from linod_systemd.recurrence import english, wall_clock
from linod_systemd.store import database, rule_store, spans
from linod_systemd.store.choices import Status

if TYPE_CHECKING:
    JobModelAdmin = admin.ModelAdmin[Job]
else:  # Django's own class takes no parameter
    JobModelAdmin = admin.ModelAdmin

DAYS = 14  # that the filter offers
TEMPLATES = "admin/linod_systemd/job"


class DayFilter(admin.SimpleListFilter):
    """The last two weeks, day by day; Django's own hierarchy of dates would read the whole table."""

    title = "day"
    parameter_name = "day"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        days = [clock.today() - timedelta(days=number) for number in range(DAYS)]
        return [(day.isoformat(), f"{english.short_date(day)} {day.year}") for day in days]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        try:
            day = date.fromisoformat(self.value() or "")
        except ValueError:
            return queryset
        begin, end = (
            clock.to_database(wall_clock.in_utc(one, time(), ZoneInfo(settings.TIME_ZONE)))
            for one in (day, day + timedelta(days=1))
        )
        return queryset.filter(start_datetime__gte=begin, start_datetime__lt=end)


class RuleFilter(admin.SimpleListFilter):
    """By the name of the rule, also of one that is gone."""

    title = "rule"
    parameter_name = "rule_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, visible(name)) for name in rule_store.current().jobs().rule_names()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> QuerySet[Job]:
        return queryset.filter(rule_name=self.value()) if self.value() else queryset


@admin.register(Job)
class JobAdmin(JobModelAdmin):
    """The history: to be read, not edited. A job that runs can be stopped, any be run again."""

    list_display = ("id", "rule_name", "began", "took", "ended", "trigger", "said")
    list_filter = (DayFilter, "status", "trigger", "warm", RuleFilter)
    show_full_result_count = False
    search_fields = ("rule_name", "reason", "message")
    fields = ("rule_name",)  # of a page that shows them in its own way
    change_form_template = f"{TEMPLATES}/change_form.html"
    change_list_template = f"{TEMPLATES}/change_list.html"

    @admin.display(description="start", ordering="start_datetime")
    def began(self, job: Job) -> SafeString:
        return words.moment(clock.from_database(job.start_datetime))

    @admin.display(description="took")
    def took(self, job: Job) -> str:
        return spans.duration(job.seconds)

    @admin.display(description="status", ordering="status")
    def ended(self, job: Job) -> SafeString:
        return words.badge(words.kind(job), job.status)

    @admin.display(description="reason")
    def said(self, job: Job) -> str:
        return visible(job.remark)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Without the messages, which only the page of one job shows, and which may be long."""
        return super().get_queryset(request).defer("message")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        pages: dict[str, Callable[..., HttpResponse]] = {"live": self.live, "act": self.act}
        ours = [
            path(f"<int:number>/{name}/", self.admin_site.admin_view(view), name=f"linod_systemd_job_{name}")
            for name, view in pages.items()
        ]
        return [*ours, *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        obj: Job | None = options.get("obj")
        if obj is not None:
            context |= one_job.context(obj) | {"title": f"Job {obj.pk} of {visible(obj.rule_name)}"}
            context["acts"] = [(name, label) for name, label, may in self._acts(obj) if _may(request, may)]
        return super().render_change_form(request, context, *args, **options)

    def live(self, request: HttpRequest, number: int) -> HttpResponse:
        """The part of the page that changes while the job runs."""
        job = get_object_or_404(Job, pk=number)
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        return render(request, f"{TEMPLATES}/live.html", one_job.context(job))

    @staticmethod
    def _acts(job: Job) -> list[tuple[str, str, str]]:
        """The acts that fit: name, label, and the permission that each needs."""
        if job.status == Status.RUNNING:
            return [("stop", "Stop", "stop_job")] if job.invocation_id else []
        return [("run_again", "Run again", "run_jobrule")] if job.rule_id else []

    def act(self, request: HttpRequest, number: int) -> HttpResponse:
        """Stop a job, or run its rule again, by a button of its page."""
        job = get_object_or_404(Job, pk=number)
        name = request.POST.get("action", "")
        needed = {act: may for act, _, may in self._acts(job)}.get(name)
        is_allowed = needed is not None and _may(request, needed)
        if request.method != "POST" or not is_allowed or not self.has_view_permission(request, job):
            raise PermissionDenied
        try:
            with database.atomic():
                said = self._stop(job) if name == "stop" else self._run_again(job)
                self.log_change(request, job, said)
            messages.success(request, f"{said}.")
        except (LinodError, OSError) as error:
            messages.error(request, visible(str(error)))
        return HttpResponseRedirect(words.job_page(number))

    @staticmethod
    def _stop(job: Job) -> str:
        stopping.ask(rule_store.current().site, job)
        return f"systemd was asked to stop job {job.pk}"

    @staticmethod
    def _run_again(job: Job) -> str:
        rule_store.current().request_run(job.rule_name)
        return f"systemd was asked to run {visible(job.rule_name)} again"


def _may(request: HttpRequest, permission: str) -> bool:
    return request.user.has_perm(f"linod_systemd.{permission}")
