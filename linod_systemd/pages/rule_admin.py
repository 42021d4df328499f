"""The rules in Django's admin: their list, actions, form, and button."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from linod_systemd import clock
from linod_systemd.common.text import visible
from linod_systemd.errors import LinodError
from linod_systemd.jobs import health
from linod_systemd.jobs.health import Health
from linod_systemd.models import JobRule
from linod_systemd.pages.job_admin import JobAdmin, local_time
from linod_systemd.pages.preview import context
from linod_systemd.procedures import Procedures
from linod_systemd.recurrence.recurrence_set import WEEKDAYS
from linod_systemd.sites import config
from linod_systemd.store import database, pause, rule_store
from linod_systemd.store.choices import CancelledBy
from linod_systemd.store.pausing import PauseError
from linod_systemd.systemd.unit_health import Trouble
from linod_systemd.tasks import Tasks

__all__ = ["JobAdmin", "JobRuleAdmin"]

if TYPE_CHECKING:
    JobRuleModelForm = forms.ModelForm[JobRule]
    JobRuleModelAdmin = admin.ModelAdmin[JobRule]
else:  # Django's own classes take no parameter
    JobRuleModelForm = forms.ModelForm
    JobRuleModelAdmin = admin.ModelAdmin


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
    """The fields beside the choice of an action."""

    until = forms.DateTimeField(
        required=False, label="until", widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    note = forms.CharField(required=False, label="note", max_length=200)


class RuleList(ChangeList):
    """The list of rules; what the database knows of those on this page is asked for once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        site = rule_store.current().site.name
        for row, found in zip(
            rows, health.of([row.stored(site) for row in rows], clock.utc_now()), strict=True
        ):
            row.linod_health = found
        self.result_list = rows


def _health(rule: JobRule) -> Health:
    """How a rule of the list is; of one that is shown alone it is asked for now."""
    found = getattr(rule, "linod_health", None)
    return found if isinstance(found, Health) else health.of([rule.stored()], clock.utc_now())[0]


@admin.register(JobRule)
class JobRuleAdmin(JobRuleModelAdmin):
    """List with state and next time; run now, cancel, enable, set up tasks."""

    form = JobRuleForm
    list_display = ("name", "interval", "state", "next_time", "last_job")
    list_filter = ("cancelled", "cancelled_by", "every_unit")
    search_fields = ("name", "procedure")
    actions = ("run_now", "cancel", "enable", "pause_until", "resume", "take_code")
    action_form = RuleActionForm
    change_form_template = "admin/linod_systemd/jobrule/change_form.html"
    change_list_template = "admin/linod_systemd/jobrule/change_list.html"
    fieldsets = (
        (None, {"fields": ("name", "procedure", "seqno", "cancelled", "cancelled_note", "log_level")}),
        ("When", {"fields": ("every_unit", "every", ("start_date", "start_time"), WEEKDAYS, "positions")}),
        ("Until", {"fields": (("end_date", "end_time"), "max_events", "timezone")}),
        ("How", {"fields": ("timeout", "retries")}),
        ("If it fails", {"fields": ("cancel_on_failure", "cancel_on_manual_failure", "missed_after")}),
        ("Beside others", {"fields": ("catch_up", "jitter", "run_after")}),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RuleList

    def get_readonly_fields(self, request: HttpRequest, obj: JobRule | None = None) -> list[str]:
        """Return the fields that a person may only read: some fields need the permission of an act.

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
        found = _health(rule)
        state = "run requested" if found.state == "live" and rule.requested_at else found.state
        edits = f"; edited: {'; '.join(found.edits)}" if found.edits else ""
        back = f". {found.remedy(rule_store.current().site)}" if rule.cancelled and found.trouble else ""
        return f"{state}{edits}{back}".removesuffix(".")

    @admin.display(description="next time")
    def next_time(self, rule: JobRule) -> str:
        found = _health(rule)
        if found.impossible:
            return f"impossible: {found.impossible}"
        due = found.next_due
        if due is None:
            return "–" if rule.cancelled or rule.every_unit == "never" else "ended"
        return format_html('<span style="white-space: nowrap">{}</span>', local_time(due))

    @admin.display(description="last run")
    def last_job(self, rule: JobRule) -> str:
        job = _health(rule).last
        if job is None:
            return "–"
        address = reverse("admin:linod_systemd_job_change", args=[job.pk])
        seconds = f" in {job.seconds:.2f} s" if job.seconds is not None else ""
        start = local_time(clock.from_database(job.start_datetime))
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
        count = self._do(request, rules, rule_store.current().request_run, "asked to run now")
        messages.success(request, f"{_rules(count)} asked to run; see Jobs.")

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        note = request.POST.get("note", "")
        said = f"cancelled: {note}" if note else "cancelled"
        count = self._do(
            request, rules, lambda name: rule_store.current().cancel(name, CancelledBy.PERSON, note), said
        )
        _tell(request, count, f"{_rules(count)} cancelled: no timer starts them.", "were live")

    @admin.action(description="Enable", permissions=["enable"])
    def enable(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        count = self._do(request, rules, rule_store.current().enable, "enabled")
        _tell(request, count, f"{_rules(count)} enabled: timers start them.", "were cancelled")

    @admin.action(description="Pause until", permissions=["pause"])
    def pause_until(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        form = RuleActionForm(request.POST)
        del form.fields["action"]  # Django has chosen that already
        until = form.cleaned_data.get("until") if form.is_valid() else None
        if until is None:
            messages.error(request, "Say until when, in the field beside the action.")
            return
        end, note = clock.from_database(until), form.cleaned_data["note"]

        def begin(name: str) -> bool:
            rule_store.current().pause(name, end, note, request.user.get_username())
            return True

        said = f"paused until {local_time(end)}" + (f": {note}" if note else "")
        try:
            count = self._do(request, rules, begin, said)
        except PauseError as error:
            messages.error(request, str(error))
            return
        messages.success(request, f"{_rules(count)} paused until {local_time(end)}.")

    @admin.action(description="Resume", permissions=["pause"])
    def resume(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        count = self._do(request, rules, rule_store.current().resume, "resumed")
        source = rule_store.current()
        whole = source.pauses(clock.utc_now(), rule=pause.WHOLE_SITE)
        end = config.command(source.site.name, "resume")
        still = f". The whole site is paused; to end that: {end}" if whole else ""
        _tell(request, count, f"{_rules(count)} resumed: timers start them{still}.", f"were paused{still}")

    @admin.action(description="Take the code's values", permissions=["change"])
    def take_code(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        count = self._do(
            request, rules, lambda name: bool(rule_store.current().take_code(name)), "took the code's values"
        )
        _tell(request, count, f"{_rules(count)} given what the code says.", "differed from the code")

    def _do(
        self, request: HttpRequest, rules: QuerySet[JobRule], act: Callable[[str], bool], said: str
    ) -> int:
        """Do something to each rule; those that it changed have it in their history. How many these are."""
        count = 0
        for rule in rules:
            with database.atomic():
                if act(rule.name):
                    self.log_change(request, rule, said)
                    count += 1
        return count

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "GET":
            for trouble in unit_troubles():
                messages.warning(request, visible(str(trouble)))
        context = {"has_setup_permission": self.has_setup_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_urls(self) -> list[URLPattern]:
        setup = path("setup/", self.admin_site.admin_view(self.set_up), name="linod_systemd_jobrule_setup")
        preview = path(
            "preview/", self.admin_site.admin_view(self.preview), name="linod_systemd_jobrule_preview"
        )
        return [setup, preview, *super().get_urls()]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Explain the form that is being filled in; nothing is saved."""
        number = request.GET.get("rule", "")
        rule = JobRule.objects.filter(pk=number).first() if number.isdecimal() else None
        is_allowed = self.has_change_permission(request, rule) if rule else self.has_add_permission(request)
        if request.method != "POST" or not is_allowed:
            raise PermissionDenied
        form = self.get_form(request, rule, change=rule is not None)(request.POST, instance=rule)
        return render(request, "admin/linod_systemd/jobrule/preview.html", context(form))

    def set_up(self, request: HttpRequest) -> HttpResponse:
        """Tasks.setup(), by a button, as it needs no rule to be chosen."""
        if request.method == "POST" and self.has_setup_permission(request):
            messages.success(request, f"Tasks set up: {Tasks().setup()}.")
        return HttpResponseRedirect(reverse("admin:linod_systemd_jobrule_changelist"))


def _tell(request: HttpRequest, count: int, done: str, needed: str) -> None:
    """Say what an action did; as a warning where there was nothing to do."""
    if count:
        messages.success(request, done)
    else:
        messages.warning(request, f"Nothing was changed: none of the chosen rules {needed}.")


def _rules(count: int) -> str:
    return "1 rule was" if count == 1 else f"{count} rules were"
