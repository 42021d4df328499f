"""The acts on rules, each with a permission of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from linod_systemd import clock
from linod_systemd.common.text import visible
from linod_systemd.jobs import backfilling, skipped
from linod_systemd.jobs.backfilling import BackfillError
from linod_systemd.jobs.skipped import SkipError
from linod_systemd.models import JobRule
from linod_systemd.pages.rule_form import BackfillForm, RuleActionForm
from linod_systemd.pages.words import local_time
from linod_systemd.sites import config
from linod_systemd.store import database, pause, rule_store
from linod_systemd.store.choices import CancelledBy
from linod_systemd.store.pausing import PauseError

if TYPE_CHECKING:
    JobRuleModelAdmin = admin.ModelAdmin[JobRule]
else:  # Django's own class takes no parameter
    JobRuleModelAdmin = admin.ModelAdmin


class RuleActs(JobRuleModelAdmin):
    """What one may do to rules, in their list and on the page of each."""

    action_form = RuleActionForm
    actions = ("run_now", "cancel", "enable", "pause_until", "resume", "skip_next", "take_code")

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.run_jobrule")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.cancel_jobrule")

    def has_enable_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.enable_jobrule")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.pause_jobrule")

    def has_skip_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.skip_jobrule")

    def has_backfill_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.backfill_jobrule")

    def has_setup_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("linod_systemd.setup_jobrule")

    @admin.action(description="Run now", permissions=["run"])
    def run_now(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        count = self._do(request, rules, rule_store.current().request_run, "asked to run now")
        messages.success(request, f"{_rules(count)} asked to run; see Jobs.")

    @admin.action(description="Cancel", permissions=["cancel"])
    def cancel(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        note = request.POST.get("note", "")
        count = self._do(
            request,
            rules,
            lambda name: rule_store.current().cancel(name, CancelledBy.PERSON, note),
            _noted("cancelled", note),
        )
        _tell(request, count, f"{_rules(count)} cancelled: no timer starts them.", "were live")

    @admin.action(description="Enable", permissions=["enable"])
    def enable(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        said = _noted("enabled", request.POST.get("note", ""))
        count = self._do(request, rules, rule_store.current().enable, said)
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

        said = _noted(f"paused until {local_time(end)}", note)
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

    @admin.action(description="Skip the next run", permissions=["skip"])
    def skip_next(self, request: HttpRequest, rules: QuerySet[JobRule]) -> None:
        note, by = request.POST.get("note", ""), request.user.get_username()
        for rule in rules:
            try:
                with database.atomic():
                    due = local_time(skipped.skip_next(rule.stored(), by, note))
                    self.log_change(request, rule, _noted(f"skips {due}", note))
                messages.success(request, f"The rule {visible(rule.name)} skips {due}.")
            except SkipError as error:
                messages.error(request, visible(str(error)))

    def backfill(self, request: HttpRequest, rule: JobRule) -> None:
        """Have a rule run for past slots: of its page alone, as it needs two times."""
        form = BackfillForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Say from when until when, as 2026-12-31T04:00, in the site's time.")
            return
        begin, end = (clock.from_database(form.cleaned_data[name]) for name in ("begin", "end"))
        forced, by = form.cleaned_data["forced"], request.user.get_username()
        try:
            with database.atomic():
                slots = backfilling.ask(rule.stored(), begin, end, forced=forced, by=by)
                said = f"runs for {len(slots)} past slots from {local_time(slots[0])}"
                self.log_change(request, rule, said)
            messages.success(request, f"The rule {visible(rule.name)} {said}, oldest first; see Jobs.")
        except BackfillError as error:
            messages.error(request, visible(str(error)))

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


def _noted(said: str, note: str) -> str:
    """The words for the history of a rule, with the note of the person, if there is one."""
    return f"{said}: {note}" if note else said


def _tell(request: HttpRequest, count: int, done: str, needed: str) -> None:
    """Say what an action did; as a warning where there was nothing to do."""
    if count:
        messages.success(request, done)
    else:
        messages.warning(request, f"Nothing was changed: none of the chosen rules {needed}.")


def _rules(count: int) -> str:
    return "1 rule was" if count == 1 else f"{count} rules were"
