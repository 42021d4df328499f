"""The store of a Django site: its rules are rows of JobRule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from linod_systemd import clock
from linod_systemd.models import JobRule
from linod_systemd.procedures import Procedure, Procedures
from linod_systemd.store import code_values
from linod_systemd.store.choices import CancelledBy
from linod_systemd.store.job import Job
from linod_systemd.store.job_store import JobStore
from linod_systemd.store.rule_store import Run, StoredRule


class DjangoStore(JobStore):
    """The store of a Django site; its methods are described in RuleStore."""

    def rules(self) -> list[StoredRule]:
        site = self.site.name
        return [row.stored(site) for row in JobRule.objects.all()]

    def rule(self, name: str) -> StoredRule | None:
        row = JobRule.objects.filter(name=name).first()
        return None if row is None else row.stored()

    def lock(self, name: str) -> None:
        JobRule.objects.select_for_update().filter(name=name).first()

    def create(self, procedure: Procedure, number: int) -> StoredRule:
        row, _ = JobRule.objects.get_or_create(
            name=procedure.name,
            defaults={
                "procedure": procedure.name,
                "seqno": number,
                "start_date": procedure.start_date(clock.today()),
                "from_code": code_values.plain(code_values.wanted(procedure, JobRule())),
                **code_values.of_procedure(procedure),
            },
        )
        return row.stored()

    def follow_code(self, procedure: Procedure) -> list[str]:
        row = JobRule.objects.filter(name=procedure.name, procedure=procedure.name, mirrors="").first()
        if row is None or code_values.has_edits(procedure, row):
            return []
        found = code_values.differences(procedure, row)
        if found or row.from_code is None:
            code_values.take(procedure, row)
            row.save()
        return found

    def differences(self, rule: StoredRule) -> list[str]:
        row = rule.row
        if not isinstance(row, JobRule) or row.mirrors or row.procedure != row.name:
            return []
        procedure = Procedures.get(row.procedure)
        return [] if procedure is None else code_values.differences(procedure, row)

    def take_code(self, name: str) -> list[str]:
        row = JobRule.objects.get(name=name)
        found = self.differences(row.stored())
        if found:
            procedure = Procedures.get(row.procedure)
            assert procedure is not None  # noqa: S101 - or there were no differences
            code_values.take(procedure, row)
            row.save()
        return found

    def remove(self, name: str) -> bool:
        return bool(JobRule.objects.filter(name=name).delete()[0])

    def cancel(self, name: str, by: str, note: str = "") -> bool:
        return bool(JobRule.objects.filter(name=name).cancel(CancelledBy(by), note))

    def enable(self, name: str) -> bool:
        return bool(JobRule.objects.filter(name=name).enable())

    def request_run(self, name: str) -> bool:
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
