"""Tell how a site is at a glance: what is wrong, what runs, what comes next, and what failed last.

The one answer behind `linod status` and the first page of the admin.
"""

from __future__ import annotations

from dataclasses import dataclass

from linod_systemd import clock
from linod_systemd.jobs import health
from linod_systemd.jobs.health import Health, SiteHealth
from linod_systemd.sites.config import Site
from linod_systemd.store import pause, rule_store
from linod_systemd.store.choices import BAD_ENDS
from linod_systemd.store.job import Job
from linod_systemd.store.pause import Pause

SHOWN = 10  # of the next runs, and of the last failures


@dataclass(frozen=True)
class Overview:
    """``next_runs``: the rules that are due next, soonest first; ``failures``: the jobs that ended badly and
    that nobody stopped, latest first; ``pause``: that of the whole site, which holds now."""

    health: SiteHealth
    running: list[Job]
    next_runs: list[Health]
    failures: list[Job]
    pause: Pause | None

    @property
    def paused(self) -> list[Health]:
        """The rules that are paused, each by itself or with the site."""
        return [one for one in self.health.rules if one.paused_until is not None]

    @property
    def is_well(self) -> bool:
        return not self.health.troubles


def of_site(site: Site) -> Overview:
    """How a site is now."""
    found, jobs, now = health.of_site(site), rule_store.current().jobs(), clock.utc_now()
    due = [one for one in found.rules if one.next_due is not None and not one.rule.rule.cancelled]
    # One question for each end: the rows of one end lie in the index in their order, those of four do not.
    failures = [
        job for end in BAD_ENDS for job in jobs.failures().filter(status=end).defer("message")[:SHOWN]
    ]
    failures.sort(key=lambda job: (job.start_datetime, job.pk), reverse=True)
    return Overview(
        found,
        list(jobs.running().defer("message")),
        sorted(due, key=lambda one: one.next_due or now)[:SHOWN],
        failures[:SHOWN],
        pause.last_of(pause.WHOLE_SITE, rule_store.current().pauses(now, rule=pause.WHOLE_SITE)),
    )
