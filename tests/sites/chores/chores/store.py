"""Chores as rules."""

from __future__ import annotations

from datetime import date

from linod_systemd.clock import from_database, now
from linod_systemd.procedures import Procedure
from linod_systemd.rules.rule import Rule
from linod_systemd.store import export
from linod_systemd.store.job_store import JobStore
from linod_systemd.store.rule_store import StoredRule

from .models import Chore


def _plain(chore: Chore) -> Rule:
    return Rule(
        name=chore.title,
        procedure=chore.title,
        cancelled=bool(chore.off),
        every_unit="secondly",
        every=chore.seconds,
        start_date=date(2026, 1, 1),
        timeout=60,
    )


def _find(name: str) -> Rule | None:
    chore = Chore.objects.filter(title=name).first()
    return None if chore is None else _plain(chore)


class ChoreStore(JobStore):
    def _stored(self, chore: Chore) -> StoredRule:
        return StoredRule(
            rule=_plain(chore),
            site=self.site.name,
            timezone=self.timezone,
            find=_find,
            row=chore,
            label=str(chore),
            cancelled_by=chore.off,
            requested_at=from_database(chore.wanted_at) if chore.wanted_at else None,
        )

    def rules(self) -> list[StoredRule]:
        return [self._stored(chore) for chore in Chore.objects.order_by("pk")]

    def rule(self, name: str) -> StoredRule | None:
        chore = Chore.objects.filter(title=name).first()
        return None if chore is None else self._stored(chore)

    def create(self, procedure: Procedure, number: int) -> StoredRule:
        seconds = procedure.every_value if procedure.every_unit == "secondly" else 86400
        chore, _ = Chore.objects.get_or_create(title=procedure.name, defaults={"seconds": seconds})
        export.on_commit()
        return self._stored(chore)

    def remove(self, name: str) -> bool:
        gone = Chore.objects.filter(title=name).delete()[0]
        export.on_commit()
        return bool(gone)

    def cancel(self, name: str, by: str, note: str = "") -> bool:
        changed = Chore.objects.filter(title=name, off="").update(off=by)
        export.on_commit()
        return bool(changed)

    def enable(self, name: str) -> bool:
        changed = Chore.objects.filter(title=name).exclude(off="").update(off="")
        export.on_commit()
        return bool(changed)

    def request_run(self, name: str) -> bool:
        asked = Chore.objects.filter(title=name).update(wanted_at=now())
        export.request_on_commit(name, wanted=True)
        return bool(asked)

    def requested(self) -> list[StoredRule]:
        return [self._stored(chore) for chore in Chore.objects.exclude(wanted_at=None)]

    def withdraw(self, name: str) -> bool:
        export.request_on_commit(name, wanted=False)
        return bool(Chore.objects.filter(title=name).update(wanted_at=None))
