"""Compute the next run of a rule as it stands: cancelled, paused, or counted from its last start."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from django.utils import timezone

from linod_systemd import clock
from linod_systemd.recurrence.periods import INSTANT
from linod_systemd.recurrence.recurrence_set import RecurrenceError
from linod_systemd.store import pause, rule_store
from linod_systemd.store.choices import CancelledBy
from linod_systemd.store.rule_store import StoredRule


def next_run(rule: StoredRule) -> datetime | None:
    """The next instant at which it is due (UTC), or None: never, or cancelled.

    :raises RecurrenceError: where the rule holds an impossible recurrence.
    """
    if rule.rule.cancelled:
        return None
    jobs = rule_store.current().jobs()
    left_out = jobs.slots_to_come([rule.name]).get(rule.name, set())
    return next_after(rule, paused_until(rule), jobs.filter(rule_name=rule.name).last_start(), left_out)


def paused_until(rule: StoredRule) -> datetime | None:
    """Return until when the rule is paused now (UTC), by itself or with the site; None: it is not."""
    return pause.end_of(rule.name, rule_store.current().pauses(clock.utc_now(), rule=rule.name))


def next_after(
    rule: StoredRule,
    paused: datetime | None,
    last_start: datetime | None,
    left_out: Container[datetime] = (),
) -> datetime | None:
    """Return the next run of a live rule of which the end of its pause and its last start are known.

    :param left_out: occurrences (UTC) that a person skips.
    :raises RecurrenceError: where the rule holds an impossible recurrence.
    """
    recurrence, now = rule.recurrence(), clock.utc_now()
    if recurrence.is_monotonic and paused is None:
        return recurrence.next_after_start(last_start, now)
    since = now if paused is None else paused - INSTANT
    return next((due for due in recurrence.occurrences(since) if due not in left_out), None)


def in_words(rule: StoredRule) -> str:
    """The end of a status line: ``next run at: …``, on the site's wall clock, or why there is none."""
    if rule.rule.cancelled:
        return CancelledBy(rule.cancelled_by).in_words
    try:
        due = next_run(rule)
    except RecurrenceError as error:
        return f"impossible: {error}"
    if due is not None:
        paused = paused_until(rule)
        until = f"paused until {local(paused)}, " if paused else ""
        return f"{until}next run at: {local(due)}"
    return "never due" if rule.rule.every_unit == "never" else "ended"


def local(instant: datetime) -> str:
    """An instant on the site's wall clock, to the second."""
    return timezone.localtime(instant, timezone.get_default_timezone()).isoformat(" ", "seconds")


def site_time(moment: datetime) -> datetime:
    """Convert an instant that a person typed: without an offset it is on the site's wall clock."""
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.get_default_timezone())
