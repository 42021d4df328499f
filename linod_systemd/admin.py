"""JobRule and Job in Django's admin."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from linod_systemd import admin_preview, clock, english, outlook, pause, store, wall_clock
from linod_systemd.choices import CancelledBy
from linod_systemd.models import Job, JobRule
from linod_systemd.procedures import Procedures
from linod_systemd.recurrence import WEEKDAYS, RecurrenceError
from linod_systemd.tasks import Tasks
from linod_systemd.visible import visible

if TYPE_CHECKING:
    JobRuleModelForm = forms.ModelForm[JobRule]
    JobRuleModelAdmin = admin.ModelAdmin[JobRule]
    JobModelAdmin = admin.ModelAdmin[Job]
else:  # Django's own classes take no parameter
    JobRuleModelForm = forms.ModelForm
    JobRuleModelAdmin = JobModelAdmin = admin.ModelAdmin


DAYS = 14  # that the filter of jobs offers


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
        field = self.fields.get("procedure")  # there is none for a person who may not choose it
        if isinstance(field, forms.ChoiceField):
            field.choices = [(name, name) for name in names]


class RuleActionForm(ActionForm):
    """What stands beside the choice of an action."""

    until = forms.DateTimeField(
        required=False, label="until", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    note = forms.CharField(required=False, label="note", max_length=200)


@admin.register(JobRule)
class JobRuleAdmin(JobRuleModelAdmin):
    """List with state and next time; run now, cancel, enable, set up tasks."""

    form = JobRuleForm
    list_display = ("name", "interval", "state", "next_time", "last_job")
    list_filter = ("cancelled", "cancelled_by", "every_unit")
    search_fields = ("name", "procedure")
    actions = ("run_now", "cancel", "enable", "pause_until")
    action_form = RuleActionForm
    change_form_template = "admin/linod_systemd/jobrule/change_form.html"
    change_list_template = "admin/linod_systemd/jobrule/change_list.html"
    fieldsets = (
        (None, {"fields": ("name", "procedure", "seqno", "cancelled", "cancelled_note", "log_level")}),
        ("When", {"fields": ("every_unit", "every", ("start_date", "start_time"), WEEKDAYS, "positions")}),
        ("Until", {"fields": (("end_date", "end_time"), "max_events", "timezone")}),
        ("How", {"fields": ("timeout", "retries", "cancel_on_failure", "missed_after")}),
        ("Beside others", {"fields": ("catch_up", "jitter", "run_after")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: JobRule | None = None) -> list[str]:
        """What a person sees and cannot set: each field that does an act needs the permission of that act.

        To choose the code that a rule runs is to add a rule.
        """
        if obj is None:
            return []
        may_turn = self.has_enable_permission if obj.cancelled else self.has_cancel_permission
        fixed = [] if may_turn(request) else ["cancelled", "cancelled_note"]
        return fixed if self.has_add_permission(request) else [*fixed, "procedure"]

    @admin.display(description="every", ordering="every_unit")
    def interval(self, rule: JobRule) -> str:
        return f"{rule.every} {rule.every_unit}"

    @admin.display(description="state", ordering="cancelled")
    def state(self, rule: JobRule) -> str:
        if rule.cancelled:
            note = f": {rule.cancelled_note}" if rule.cancelled_note else ""
            return f"{CancelledBy(rule.cancelled_by).in_words}{note}"
        if (until := pause.until(rule.name, clock.utc_now())) is not None:
            return f"paused until {_local(until)}"
        return "run requested" if rule.requested_at else "live"

    @admin.display(description="next time")
    def next_time(self, rule: JobRule) -> str:
        try:
            due = outlook.next_run(rule.stored())
        except RecurrenceError as error:
            return f"impossible: {error}"
        if due is None:
            return "–" if rule.cancelled or rule.every_unit == "never" else "ended"
        return format_html('<span style="white-space: nowrap">{}</span>', _local(due))

    @admin.display(description="last run")
    def last_job(self, rule: JobRule) -> str:
        job = store.current().jobs(rule.name).started().first()
        if job is None:
            return "–"
        address = reverse("admin:linod_systemd_job_change", args=[job.pk])
        seconds = f" in {job.seconds:.2f} s" if job.seconds is not None else ""
        start = _local(clock.from_database(job.start_datetime))
        return format_html('<a href="{}">{}</a> {}{}', address, start, job.status, seconds)

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.run_jobrule")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.cancel_jobrule")

    def has_enable_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.enable_jobrule")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.pause_jobrule")

    def has_setup_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.setup_jobrule")

    @admin.action(description="Run now", permissions=["run"])
    def run_now(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        count = sum(store.current().ask(name) for name in _names(rules))
        messages.success(request, f"{_rules(count)} asked to run; see Jobs.")

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        note = request.POST.get("note", "")
        count = sum(store.current().cancel(name, CancelledBy.PERSON, note) for name in _names(rules))
        messages.success(request, f"{_rules(count)} cancelled: no timer starts them.")

    @admin.action(description="Enable", permissions=["enable"])
    def enable(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        count = sum(store.current().enable(name) for name in _names(rules))
        messages.success(request, f"{_rules(count)} enabled: timers start them.")

    @admin.action(description="Pause until", permissions=["pause"])
    def pause_until(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        form = RuleActionForm(request.POST)
        del form.fields["action"]  # Django has chosen that already
        until = form.cleaned_data.get("until") if form.is_valid() else None
        if until is None:
            messages.error(request, "Say until when, in the field beside the action.")
            return
        chosen = _names(rules)
        try:
            for name in chosen:
                pause.begin(name, clock.from_database(until), form.cleaned_data["note"])
        except pause.PauseError as error:
            messages.error(request, str(error))
            return
        until_text = _local(clock.from_database(until))
        messages.success(request, f"{_rules(len(chosen))} paused until {until_text}.")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context = {"has_setup_permission": self.has_setup_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_urls(self) -> list[URLPattern]:
        setup = path("setup/", self.admin_site.admin_view(self.set_up), name="linod_systemd_jobrule_setup")
        preview = path(
            "preview/", self.admin_site.admin_view(self.preview), name="linod_systemd_jobrule_preview"
        )
        return [setup, preview, *super().get_urls()]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """What the form that is being filled in means; nothing is saved."""
        number = request.GET.get("rule", "")
        rule = JobRule.objects.filter(pk=number).first() if number.isdecimal() else None
        is_allowed = self.has_change_permission(request, rule) if rule else self.has_add_permission(request)
        if request.method != "POST" or not is_allowed:
            raise PermissionDenied
        form = self.get_form(request, rule, change=rule is not None)(request.POST, instance=rule)
        return render(request, "admin/linod_systemd/jobrule/preview.html", admin_preview.context(form))

    def set_up(self, request: HttpRequest) -> HttpResponse:
        """Tasks.setup(), by a button, as it needs no rule to be chosen."""
        if request.method == "POST" and self.has_setup_permission(request):
            messages.success(request, f"Tasks set up: {Tasks().setup()}.")
        return HttpResponseRedirect(reverse("admin:linod_systemd_jobrule_changelist"))


def _names(rules: QuerySet[JobRule]) -> list[str]:
    return list(rules.values_list("name", flat=True))


def _local(instant: datetime) -> str:
    """An instant on the site's wall clock, with its zone."""
    return timezone.localtime(instant, timezone.get_default_timezone()).strftime("%Y-%m-%d %H:%M:%S %Z")


def _rules(count: int) -> str:
    return "1 rule was" if count == 1 else f"{count} rules were"


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
        return [(name, visible(name)) for name in store.current().jobs().rule_names()]

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
        return _local(job.slot) if job.slot else "–"

    @admin.display(description="log")
    def log(self, job: Job) -> str:
        """Whatever a job printed is data: escaped, with its control characters visible."""
        return format_html('<pre style="white-space: pre-wrap; margin: 0">{}</pre>', visible(job.message))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Job | None = None) -> bool:
        return False
