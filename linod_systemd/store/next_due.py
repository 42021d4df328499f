"""Compute the next run of a rule as it stands: cancelled, paused, or counted from its last start."""

from __future__ import annotations

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
    return next_after(rule, paused_until(rule), rule_store.current().jobs(rule.name).last_start())


def paused_until(rule: StoredRule) -> datetime | None:
    """Return until when the rule is paused now (UTC), by itself or with the site; None: it is not."""
    return pause.end_of(rule.name, rule_store.current().pauses(clock.utc_now(), rule=rule.name))


def next_after(rule: StoredRule, paused: datetime | None, last_start: datetime | None) -> datetime | None:
    """Return the next run of a live rule of which the end of its pause and its last start are known.

    :raises RecurrenceError: where the rule holds an impossible recurrence.
    """
    recurrence, now = rule.recurrence(), clock.utc_now()
    if paused is not None:
        return recurrence.next_after(paused - INSTANT)
    if not recurrence.is_monotonic:
        return recurrence.next_after(now)
    return recurrence.next_after_start(last_start, now)


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
