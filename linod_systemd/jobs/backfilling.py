"""Run a rule for slots that are past, as a person asks: oldest first, each in a row of its own.

Each run is asked for when the one before it has ended; the supervisor's check asks again where that was lost.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from itertools import islice, takewhile

from linod_systemd import clock
from linod_systemd.errors import LinodError
from linod_systemd.jobs import running
from linod_systemd.recurrence.periods import INSTANT
from linod_systemd.sites.config import Site
from linod_systemd.store import database, rule_store
from linod_systemd.store.backfill import Backfill
from linod_systemd.store.job import JobQuerySet
from linod_systemd.store.rule_store import StoredRule

logger = logging.getLogger("linod.backfill")

MOST = 1000  # slots that are asked for at once


class BackfillError(LinodError):
    """Slots for which a rule is not run."""


def ask(
    rule: StoredRule, begin: datetime, end: datetime, *, forced: bool = False, by: str = ""
) -> list[datetime]:
    """Ask for a run of each slot from ``begin`` to ``end`` (aware); these slots, oldest first.

    :param forced: also for slots that have run already.
    :raises BackfillError: where there is none, or too many; where one is not past, or has run.
    """
    slots = _slots(rule, begin, end)
    if not forced:
        _refuse_what_has_run(rule, slots)
    with database.atomic():
        for slot in slots:
            Backfill.objects.update_or_create(
                rule_name=rule.name, slot=clock.to_slot(slot), defaults={"forced": forced, "by": by[:150]}
            )
        rule_store.current().request_run(rule.name)
    return slots


def _slots(rule: StoredRule, begin: datetime, end: datetime) -> list[datetime]:
    recurrence = rule.slots()
    if recurrence is None:
        raise BackfillError(
            f"{rule.name} has no slots: it is impossible, or counts from its previous start",
            "run it now instead",
        )
    span = f"from {begin.isoformat(' ', 'seconds')} to {end.isoformat(' ', 'seconds')}"
    if end > clock.utc_now():
        raise BackfillError(f"{rule.name}: {span} is not past yet", "name an end that is past")
    found = takewhile(lambda slot: slot <= end, recurrence.occurrences(begin - INSTANT))
    slots = list(islice(found, MOST + 1))
    if not slots:
        raise BackfillError(f"{rule.name} was not due {span}", "name other times; see: linod explain")
    if len(slots) > MOST:
        raise BackfillError(f"these are more than {MOST} slots of {rule.name}", "name a shorter time")
    return slots


def _refuse_what_has_run(rule: StoredRule, slots: Sequence[datetime]) -> None:
    wanted = [clock.to_slot(slot) for slot in slots]
    ran = _ran(rule.name).filter(scheduled_for__gte=wanted[0], scheduled_for__lte=wanted[-1])
    known = sorted(set(wanted).intersection(ran.values_list("scheduled_for", flat=True)))
    if known:
        first = clock.from_slot(known[0]).isoformat(" ", "seconds")
        raise BackfillError(
            f"{rule.name} has run for {len(known)} of these {len(slots)} slots, first for {first}",
            "name others, or force it: --force",
        )


def _ran(rule: str) -> JobQuerySet:
    return rule_store.current().jobs(rule).started()


def next_of(rule: str) -> Backfill | None:
    """Return the oldest that was asked for, and that nothing else has run meanwhile."""
    for found in Backfill.objects.filter(rule_name=rule):
        if found.forced or not _ran(rule).filter(scheduled_for=found.slot).exists():
            return found
        found.delete()
    return None


def attempt_of(found: Backfill) -> int:
    """Return the number of the attempt that a run for its slot is: the row of a skipped one has the first."""
    rows = rule_store.current().jobs(found.rule_name).filter(scheduled_for=found.slot)
    last = rows.order_by("-attempt").values_list("attempt", flat=True).first()
    return (last or 0) + 1


def has_begun(rule: str, slot: int | None) -> None:
    """The run for a slot has its row."""
    if slot is not None:
        Backfill.objects.of_slot(rule, slot).delete()


def go_on(rule: str) -> None:
    """Ask for the next run of a rule, if there are slots left."""
    if Backfill.objects.filter(rule_name=rule).exists():
        rule_store.current().request_run(rule)


def request_left(site: Site) -> None:
    """Ask again for those whose request was lost, as a run died before it could ask for the next one."""
    source = rule_store.current()
    for name in Backfill.objects.order_by().values_list("rule_name", flat=True).distinct():
        rule = source.rule(name)
        if rule is None:
            logger.error("%s: its past slots are not run, as the rule is gone", name)
            Backfill.objects.filter(rule_name=name).delete()
        elif rule.requested_at is None and not running.is_locked(site, name):
            source.request_run(name)
