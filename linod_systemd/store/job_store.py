"""JobStore: the part that all stores share. Its jobs name their rule by name."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from linod_systemd.common.logfile import FORMAT
from linod_systemd.procedures import Procedure, Procedures
from linod_systemd.sites import config
from linod_systemd.store import pausing
from linod_systemd.store.job import Job, JobQuerySet
from linod_systemd.store.pause import Pause
from linod_systemd.store.progress import Progress
from linod_systemd.store.request import Request
from linod_systemd.store.rule_store import RuleStore, Run, StoredRule


class JobStore:
    """To be inherited by a store of rules; what it says here is for a site that has nothing to say."""

    note = ""

    _site: config.Site | None = None

    @property
    def site(self) -> config.Site:
        if self._site is None or not self._site.configured:  # a web process may be older than its SITE.toml
            self._site = config.this_site()
        return self._site

    @property
    def timezone(self) -> str:
        return str(settings.TIME_ZONE)

    def set_up(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """The rules are the site's own rows, and mirror nothing."""

    def lock(self, name: str) -> None:
        """Two that look back at once write one row: the slot is unique."""

    def follow_code(self, procedure: Procedure) -> list[str]:
        """The rules are the site's own rows: no decorator says how they are."""
        return []

    def differences(self, rule: StoredRule) -> list[str]:
        return []

    def take_code(self, name: str) -> list[str]:
        return []

    def pause(self, rule: str, until: datetime, note: str = "", by: str = "") -> None:
        pausing.begin(rule, until, note, by)

    def resume(self, rule: str) -> bool:
        return pausing.end(rule)

    def pauses(self, since: datetime, until: datetime | None = None, rule: str | None = None) -> list[Pause]:
        held = Pause.objects.overlapping(since, until or since)
        return list(held if rule is None else held.of(rule))

    def procedure(self, rule: StoredRule) -> Procedure | None:
        return Procedures.get(rule.rule.procedure)

    def request_for(self, rule: StoredRule, job: Job, logger: logging.Logger) -> Any:
        return Request(rule.row or rule.rule, job, logger, Progress(job))

    def claim(self: RuleStore, rule: StoredRule, job: Job) -> Run:
        job.save(force_insert=True)
        if rule.requested_at is not None:
            self.withdraw(rule.name)
        return Run(self, rule, job, self.procedure(rule))

    def finish(self, job: Job, **ending: Any) -> bool:
        return job.finish(**ending)

    def keep(self, row: dict[str, Any], same: Sequence[str] = ("uuid",)) -> Job:
        job: Job = Job.objects.get_or_create(**{name: row[name] for name in same}, defaults=row)[0]
        return job

    def jobs(self, rule: str | None = None) -> JobQuerySet:
        found: JobQuerySet = Job.objects.all()
        return found if rule is None else found.filter(rule_name=rule)

    def formatter(self) -> logging.Formatter:
        return logging.Formatter(FORMAT)

    def tell_failure(self, job: Job, consequence: str) -> None:
        """ADMINS are mailed; there is no other way."""
