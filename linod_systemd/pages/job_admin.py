"""The history of jobs in Django's admin: to be read, not changed."""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from linod_systemd import clock
from linod_systemd.common.text import visible
from linod_systemd.models import Job
from linod_systemd.pages import words
from linod_systemd.recurrence import english, wall_clock
from linod_systemd.store import rule_store

if TYPE_CHECKING:
    JobModelAdmin = admin.ModelAdmin[Job]
else:  # Django's own class takes no parameter
    JobModelAdmin = admin.ModelAdmin

DAYS = 14  # that the filter offers


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
    """The history: to be read, not edited."""

    list_display = ("id", "rule_name", "start_datetime", "seconds", "status", "trigger", "reason")
    list_filter = (DayFilter, "status", "trigger", "warm", RuleFilter)
    show_full_result_count = False
    search_fields = ("rule_name", "reason", "message")
    fields = (
        ("rule_name", "status", "reason"),
        ("start_datetime", "end_datetime", "seconds"),
        ("trigger", "slot", "attempt"),
        ("host", "invocation_id", "exit_code"),
        "log",
    )
    readonly_fields = ("seconds", "slot", "log")

    @admin.display(description="seconds")
    def seconds(self, job: Job) -> str:
        return "–" if job.seconds is None else f"{job.seconds:.2f}"

    @admin.display(description="slot")
    def slot(self, job: Job) -> str:
        return words.local_time(job.slot) if job.slot else "–"

    @admin.display(description="log")
    def log(self, job: Job) -> str:
        """Whatever a job printed is data: escaped, with its control characters visible."""
        return format_html('<pre style="white-space: pre-wrap; margin: 0">{}</pre>', visible(job.message))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Without the messages, which only the page of one job shows, and which may be long."""
        return super().get_queryset(request).defer("message")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False
