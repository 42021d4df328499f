"""The store of a Django site: its rules are rows of JobRule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from linod_systemd import clock, conf
from linod_systemd.choices import CancelledBy
from linod_systemd.job import Job
from linod_systemd.job_store import JobStore
from linod_systemd.models import JobRule
from linod_systemd.procedures import Procedure
from linod_systemd.recurrence import WEEKDAYS
from linod_systemd.store import Run, StoredRule


class DjangoStore(JobStore):
    def rules(self) -> list[StoredRule]:
        site = conf.this_site().name
        return [row.stored(site) for row in JobRule.objects.all()]

    def rule(self, name: str) -> StoredRule | None:
        row = JobRule.objects.filter(name=name).first()
        return None if row is None else row.stored()

    def lock(self, name: str) -> None:
        JobRule.objects.select_for_update().filter(name=name).first()

    def create(self, procedure: Procedure, number: int) -> StoredRule:
        defaults = dict(procedure.defaults)
        ticked = defaults.pop("weekdays", ())
        if "cancel_on_failure" in defaults:
            defaults["cancel_on_failure"] = int(defaults["cancel_on_failure"])
        defaults["timezone"] = defaults.get("timezone") or ""
        row, _ = JobRule.objects.get_or_create(
            name=procedure.name,
            defaults={
                "procedure": procedure.name,
                "seqno": number,
                "every_unit": procedure.every_unit,
                "every": procedure.every_value,
                "start_date": procedure.start_date(clock.today()),
                "start_time": procedure.start_time,
                "run_after": list(procedure.run_after),
                **{day: day in ticked for day in WEEKDAYS},
                **defaults,
            },
        )
        return row.stored()

    def remove(self, name: str) -> bool:
        return bool(JobRule.objects.filter(name=name).delete()[0])

    def cancel(self, name: str, by: str, note: str = "") -> bool:
        return bool(JobRule.objects.filter(name=name).cancel(CancelledBy(by), note))

    def enable(self, name: str) -> bool:
        return bool(JobRule.objects.filter(name=name).enable())

    def ask(self, name: str) -> bool:
        return bool(JobRule.objects.filter(name=name).request())

    def requested(self) -> list[StoredRule]:
        return [row.stored() for row in JobRule.objects.filter(requested_at__isnull=False)]

    def withdraw(self, name: str) -> bool:
        asked = JobRule.objects.filter(name=name, requested_at__isnull=False)
        return bool(asked.update(requested_at=None))

    def keep(self, row: dict[str, Any], same: Sequence[str] = ("uuid",)) -> Job:
        return super().keep({"rule": JobRule.objects.filter(name=row["rule_name"]).first(), **row}, same)

    def claim(self, rule: StoredRule, job: Job) -> Run:
        if isinstance(rule.row, JobRule):
            job.rule = rule.row
        return super().claim(rule, job)
