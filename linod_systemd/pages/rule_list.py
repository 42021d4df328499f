"""The list of rules: what each does, how it is, its last runs, when it comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from linod_systemd import clock
from linod_systemd.jobs import health, pace
from linod_systemd.jobs.health import Health
from linod_systemd.models import JobRule
from linod_systemd.pages import bars, words
from linod_systemd.store import rule_store, spans
from linod_systemd.store.job import Job

if TYPE_CHECKING:
    JobRuleModelAdmin = admin.ModelAdmin[JobRule]
else:  # Django's own class takes no parameter
    JobRuleModelAdmin = admin.ModelAdmin


@dataclass(frozen=True)
class Seen:
    """A rule as its row shows it: how it is, and its last runs, latest first."""

    health: Health
    jobs: list[Job]


def seen(rules: list[JobRule]) -> list[Seen]:
    """Look at rules: by queries whose number does not grow with them."""
    source = rule_store.current()
    stored = [rule.stored(source.site.name) for rule in rules]
    jobs = source.jobs().first_few_of_each([rule.name for rule in rules], pace.LOOKED_AT)
    found = health.of(stored, clock.utc_now())
    return [Seen(one, jobs.get(one.rule.name, [])) for one in found]


class RuleList(ChangeList):
    """The list of rules; what the database knows of those on this page is asked for once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        for row, found in zip(rows, seen(rows), strict=True):
            row.linod_seen = found
        self.result_list = rows


def of(rule: JobRule) -> Seen:
    """A rule of the list, as it was looked at with the others; one that is shown alone is looked at now."""
    found = getattr(rule, "linod_seen", None)
    if not isinstance(found, Seen):
        (found,) = seen([rule])
        rule.linod_seen = found  # type: ignore[attr-defined]
    return found


class RuleColumns(JobRuleModelAdmin):
    """The columns of the list."""

    list_display = ("name", "meaning", "state", "next_time", "last_runs")

    @admin.display(description="what it does", ordering="every_unit")
    def meaning(self, rule: JobRule) -> str:
        return of(rule).health.meaning

    @admin.display(description="state", ordering="cancelled")
    def state(self, rule: JobRule) -> SafeString:
        return words.state(of(rule).health)

    @admin.display(description="next run")
    def next_time(self, rule: JobRule) -> str:
        found = of(rule).health
        if found.impossible:
            return "never"
        if found.next_due is None:
            return "–" if rule.cancelled or rule.every_unit == "never" else "ended"
        return words.moment(found.next_due)

    @admin.display(description="last runs")
    def last_runs(self, rule: JobRule) -> SafeString:
        """As bars; below these the last one, and what is usual."""
        found, now = of(rule), clock.utc_now()
        last, usual = found.health.last, pace.usual_seconds(found.jobs)
        if last is None:
            return bars.drawn(found.jobs)
        ago = spans.ago(now - clock.from_database(last.start_datetime))
        said = "" if usual is None else f"; usually {spans.duration(usual)}"
        return format_html(
            '{}<br><small><a href="{}">{} {}</a>{}</small>',
            bars.drawn(found.jobs),
            words.job_page(last.pk),
            last.status,
            ago,
            said,
        )
