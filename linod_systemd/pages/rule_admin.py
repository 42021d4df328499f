"""The rules in Django's admin: their list and timeline, the page of each with its form, the acts on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse

from linod_systemd.models import JobRule
from linod_systemd.pages import preview, rule_units, timeline
from linod_systemd.pages.rule_acts import RuleActs
from linod_systemd.pages.rule_form import FIELDSETS, JobRuleForm
from linod_systemd.pages.rule_list import RuleColumns, RuleList, of
from linod_systemd.store import rule_store
from linod_systemd.tasks import Tasks

TEMPLATES = "admin/linod_systemd/jobrule"


@admin.register(JobRule)
class JobRuleAdmin(RuleColumns, RuleActs):
    """List with state and next time; the page of one rule; timeline; set up tasks."""

    form = JobRuleForm
    list_filter = ("cancelled", "cancelled_by", "every_unit")
    search_fields = ("name", "procedure")
    change_form_template = f"{TEMPLATES}/change_form.html"
    change_list_template = f"{TEMPLATES}/change_list.html"
    fieldsets = FIELDSETS

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

    def get_urls(self) -> list[URLPattern]:
        pages: dict[str, tuple[str, Callable[..., HttpResponse]]] = {
            "set_up": ("setup/", self.set_up),
            "preview": ("preview/", self.preview),
            "timeline": ("timeline/", self.timeline),
            "named": ("named/", self.named),
            "act": ("<int:number>/act/", self.act),
        }
        ours = [
            path(place, self.admin_site.admin_view(view), name=f"linod_systemd_jobrule_{name}")
            for name, (place, view) in pages.items()
        ]
        return [*ours, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        context = {"has_setup_permission": self.has_setup_permission(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        obj: JobRule | None = options.get("obj")
        if obj is not None:
            seen = of(obj)
            context |= {
                "linod_rule": obj,
                "linod_acts": list(self._fitting(request, obj)),
                "linod_backfills": self.has_backfill_permission(request)
                and seen.health.rule.slots() is not None,
                "linod_jobs": seen.jobs,
                "linod_units": rule_units.text(obj.name),
                "linod_state": self.state(obj),
                "linod_columns": [
                    ("what it does", self.meaning(obj)),
                    ("next run", self.next_time(obj)),
                    ("last runs", self.last_runs(obj)),
                ],
                **timeline.context(request, [seen.health.rule]),
            }
        return super().render_change_form(request, context, *args, **options)

    def _fitting(self, request: HttpRequest, rule: JobRule) -> Iterator[tuple[str, str]]:
        """The acts that a person may do and that would change something: each with its label."""
        found = of(rule).health
        fits = {
            "run_now": True,
            "cancel": not rule.cancelled,
            "enable": rule.cancelled,
            "pause_until": not rule.cancelled,
            "resume": found.paused_until is not None,
            "skip_next": found.next_due is not None and found.rule.slots() is not None,
            "take_code": bool(found.edits),
        }
        allowed = dict(self.get_action_choices(request))
        for name, does_fit in fits.items():
            if does_fit and name in allowed:
                yield name, allowed[name]

    def named(self, request: HttpRequest) -> HttpResponse:
        """Lead to the page of the rule of this name: links need no number then."""
        return self._back_to(get_object_or_404(JobRule, name=request.GET.get("name", "")))

    def act(self, request: HttpRequest, number: int) -> HttpResponse:
        """One act on one rule, by a button of its page."""
        rule = get_object_or_404(JobRule, pk=number)
        name = request.POST.get("action", "")
        if request.method != "POST" or not self.has_view_permission(request, rule):
            raise PermissionDenied
        if name == "backfill" and self.has_backfill_permission(request):
            self.backfill(request, rule)
        elif name in self.actions and name in self.get_actions(request):
            getattr(self, name)(request, JobRule.objects.filter(pk=number))
        else:
            raise PermissionDenied
        return self._back_to(rule)

    @staticmethod
    def _back_to(rule: JobRule) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:linod_systemd_jobrule_change", args=[rule.pk]))

    def timeline(self, request: HttpRequest) -> HttpResponse:
        """The runs of all rules over time."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        site = rule_store.current().site.name
        context = {
            **self.admin_site.each_context(request),
            **timeline.context(request, [rule.stored(site) for rule in JobRule.objects.all()]),
            "title": "Timeline",
            "opts": self.opts,
        }
        return render(request, f"{TEMPLATES}/timeline.html", context)

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Explain the form that is being filled in; nothing is saved."""
        number = request.GET.get("rule", "")
        rule = JobRule.objects.filter(pk=number).first() if number.isdecimal() else None
        is_allowed = self.has_change_permission(request, rule) if rule else self.has_add_permission(request)
        if request.method != "POST" or not is_allowed:
            raise PermissionDenied
        form = self.get_form(request, rule, change=rule is not None)(request.POST, instance=rule)
        return render(request, f"{TEMPLATES}/preview.html", preview.context(form))

    def set_up(self, request: HttpRequest) -> HttpResponse:
        """Tasks.setup(), by a button, as it needs no rule to be chosen."""
        if request.method == "POST" and self.has_setup_permission(request):
            messages.success(request, f"Tasks set up: {Tasks().setup()}.")
        return HttpResponseRedirect(reverse("admin:linod_systemd_jobrule_changelist"))
