"""JobRule and Job in Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from linod_systemd.choices import CancelledBy
from linod_systemd.models import Job, JobRule
from linod_systemd.procedures import Procedures
from linod_systemd.recurrence import WEEKDAYS, RecurrenceError
from linod_systemd.tasks import Tasks

if TYPE_CHECKING:
    JobRuleModelForm = forms.ModelForm[JobRule]
    JobRuleModelAdmin = admin.ModelAdmin[JobRule]
    JobModelAdmin = admin.ModelAdmin[Job]
else:  # Django's own classes take no parameter
    JobRuleModelForm = forms.ModelForm
    JobRuleModelAdmin = JobModelAdmin = admin.ModelAdmin


class JobRuleForm(JobRuleModelForm):
    """The procedure is chosen from those in the code."""

    procedure = forms.ChoiceField()

    class Meta:
        model = JobRule
        fields = "__all__"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = Procedures.names()
        if self.instance.procedure and self.instance.procedure not in names:
            names.append(self.instance.procedure)
        field = self.fields["procedure"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(name, name) for name in names]


@admin.register(JobRule)
class JobRuleAdmin(JobRuleModelAdmin):
    """List with state and next time; run now, cancel, enable, set up tasks."""

    form = JobRuleForm
    list_display = ("name", "interval", "state", "next_time", "last_job")
    list_filter = ("cancelled", "cancelled_by", "every_unit")
    search_fields = ("name", "procedure")
    actions = ("run_now", "cancel", "enable")
    change_list_template = "admin/linod_systemd/jobrule/change_list.html"
    fieldsets = (
        (None, {"fields": ("name", "procedure", "seqno", "cancelled", "log_level")}),
        ("When", {"fields": ("every_unit", "every", ("start_date", "start_time"), WEEKDAYS, "positions")}),
        ("Until", {"fields": (("end_date", "end_time"), "max_events", "timezone")}),
        ("How", {"fields": ("timeout", "retries", "cancel_on_failure", "catch_up", "jitter", "run_after")}),
    )

    @admin.display(description="every", ordering="every_unit")
    def interval(self, rule: JobRule) -> str:
        return f"{rule.every} {rule.every_unit}"

    @admin.display(description="state", ordering="cancelled")
    def state(self, rule: JobRule) -> str:
        if rule.cancelled:
            return f"cancelled by a {rule.cancelled_by}"
        return "run requested" if rule.requested_at else "live"

    @admin.display(description="next time")
    def next_time(self, rule: JobRule) -> str:
        try:
            due = rule.next_run()
        except RecurrenceError as error:
            return f"impossible: {error}"
        if due is None:
            return "–" if rule.cancelled or rule.every_unit == "never" else "ended"
        local = timezone.localtime(due).strftime("%Y-%m-%d %H:%M:%S")
        return format_html('<span style="white-space: nowrap">{}</span>', local)

    @admin.display(description="last job")
    def last_job(self, rule: JobRule) -> str:
        job = rule.jobs.first()
        return f"{job.status} (#{job.pk})" if job else "–"

    @admin.action(description="Run now", permissions=["change"])
    def run_now(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        count = JobRule.objects.filter(pk__in=rules.values("pk")).request()
        messages.success(request, f"{_rules(count)} asked to run; see Jobs.")

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        count = JobRule.objects.filter(pk__in=list(rules.values_list("pk", flat=True))).cancel(
            CancelledBy.PERSON
        )
        messages.success(request, f"{_rules(count)} cancelled: no timer starts them.")

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        count = JobRule.objects.filter(pk__in=list(rules.values_list("pk", flat=True))).enable()
        messages.success(request, f"{_rules(count)} enabled: timers start them.")

    def get_urls(self) -> list[URLPattern]:
        setup = path("setup/", self.admin_site.admin_view(self.set_up), name="linod_systemd_jobrule_setup")
        return [setup, *super().get_urls()]

    def set_up(self, request: HttpRequest) -> HttpResponse:
        """Tasks.setup(), by a button, as it needs no rule to be chosen."""
        if request.method == "POST" and self.has_change_permission(request):
            messages.success(request, f"Tasks set up: {Tasks().setup()}.")
        return HttpResponseRedirect(reverse("admin:linod_systemd_jobrule_changelist"))


def _rules(count: int) -> str:
    return "1 rule was" if count == 1 else f"{count} rules were"


@admin.register(Job)
class JobAdmin(JobModelAdmin):
    """The history: to be read, not edited."""

    list_display = ("id", "rule_name", "start_datetime", "seconds", "status", "trigger", "reason")
    list_filter = ("status", "trigger", "warm", "rule_name")
    search_fields = ("rule_name", "reason", "message")
    date_hierarchy = "start_datetime"

    @admin.display(description="seconds")
    def seconds(self, job: Job) -> str:
        return f"{(job.end_datetime - job.start_datetime).total_seconds():.2f}" if job.end_datetime else "–"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False
