"""Write the ``skipped`` rows: occurrences that were due and did not run, with the cause as far as known.

systemd says nothing of a timer that elapses while its service is still active, or that did not elapse at
all; so who starts next, or the supervisor at its own start, looks back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile

from linod_systemd import clock
from linod_systemd.common import host
from linod_systemd.errors import LinodError
from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.store import database, next_due, rule_store
from linod_systemd.store.choices import CancelledBy, Status, Trigger
from linod_systemd.store.rule_store import StoredRule
from linod_systemd.systemd import boot

OFF = "the host was off, or its timer not running"
SETTLING = timedelta(seconds=30)  # in which a new or edited rule reaches its timer
MOST_JOBS = 1000  # that were under way meanwhile, and are looked at
MOST = 10_000  # occurrences of one cause that are counted one by one


@dataclass(frozen=True)
class Cause:
    """Why nothing ran up to an instant (aware)."""

    until: datetime
    reason: str


@dataclass(frozen=True)
class Span:
    """Occurrences in a row that did not run for one reason; ``last`` is the latest of them."""

    reason: str
    last: datetime


def spans(recurrence: RecurrenceSet, since: datetime, causes: Sequence[Cause]) -> Iterator[Span]:
    """The occurrences after ``since``, told apart by cause.

    :param causes: each holds from the end of the one before it; of two for one time the first is taken.
    """
    for cause in causes:
        first = recurrence.next_after(since)
        if first is not None and first <= cause.until:
            last = recurrence.last_before(cause.until) or first
            yield Span(f"{_due(recurrence, first, last)}: {cause.reason}", last)
        since = max(since, cause.until)


def _due(recurrence: RecurrenceSet, first: datetime, last: datetime) -> str:
    if first == last:
        return f"due at {first.isoformat(' ', 'seconds')}"
    following = takewhile(lambda instant: instant <= last, recurrence.occurrences(first))
    count = 1 + sum(1 for _ in islice(following, MOST))
    number = f"{count} runs" if count <= MOST else f"more than {MOST} runs"
    return f"{number}, due from {first.isoformat(' ', 'seconds')} to {last.isoformat(' ', 'seconds')}"


def note(rule: StoredRule, until: datetime, passed_over: str = "") -> None:
    """Write a row for each cause by which a live rule did not run up to an instant (aware).

    :param passed_over: why it did not run now, although its timer rang for that instant.
    """
    _note(
        rule,
        [
            Cause(min(until, boot.booted_at()), OFF),
            Cause(until, passed_over or "its timer was not running"),
        ],
        timedelta() if passed_over else SETTLING,
    )


def has_gap(rule: StoredRule, until: datetime) -> bool:
    """Whether there is something for :func:`note` to look at: an occurrence up to then that has no row."""
    return _first_without_row(rule, rule.slots(), until, SETTLING) is not None


class SkipError(LinodError):
    """A run that cannot be skipped."""


def skip_next(rule: StoredRule, by: str, why: str = "") -> datetime:
    """Write the row of the next occurrence of a live rule, so that its timer rings for a slot that is taken;
    when that is (UTC).

    :raises SkipError: where there is none, or it is not known before.
    """
    slots = rule.slots()
    if slots is None:
        raise SkipError(f"the next run of {rule.name} is not known before", "pause it instead")
    due = None if rule.rule.cancelled else next_due.next_run(rule)
    if due is None:
        raise SkipError(
            f"{rule.name} has no next run: it is cancelled, or never due", "there is nothing to skip"
        )
    note = f": {why}" if why else ""
    _write(rule, Span(f"skipped by {by or 'a person'}{note}"[:200], due))
    return due


def note_cancelled(rule: StoredRule) -> None:
    """Write rows for what a cancelled rule, which is being enabled, did not run."""
    now = clock.utc_now()
    _note(
        rule,
        [
            Cause(rule.cancelled_at or now, OFF),
            Cause(now, f"the rule was not live: {CancelledBy(rule.cancelled_by).in_words}"),
        ],
    )


def _note(rule: StoredRule, causes: Sequence[Cause], settling: timedelta = SETTLING) -> None:
    slots = rule.slots()
    first = _first_without_row(rule, slots, causes[-1].until, settling)
    if slots is None or first is None:
        return
    with database.atomic():
        # The supervisor and a job may look back at the same time.
        rule_store.current().lock(rule.name)
        since = _covered(rule, settling) or first
        for span in spans(slots, since, _with_jobs(rule, since, [*_with_pauses(rule, since, causes)])):
            _write(rule, span)


def _first_without_row(
    rule: StoredRule, slots: RecurrenceSet | None, until: datetime, settling: timedelta
) -> datetime | None:
    """The first occurrence of a rule, not after ``until``, that has no row; None: there is none."""
    since = None if slots is None else _covered(rule, settling)
    first = None if slots is None or since is None else slots.next_after(since)
    return first if first is not None and first <= until else None


def _covered(rule: StoredRule, settling: timedelta) -> datetime | None:
    """Up to when every occurrence has a row, or was not the rule's; None: nobody knows."""
    latest = rule_store.current().jobs(rule.name).last_slot()
    if rule.live_since is None or (latest is not None and latest > rule.live_since):
        return latest
    return rule.live_since + settling


def _with_pauses(rule: StoredRule, since: datetime, causes: Sequence[Cause]) -> Iterator[Cause]:
    """The causes, cut where the rule or the site was paused."""
    pauses = rule_store.current().pauses(since, causes[-1].until, rule.name)
    for cause in causes:
        while pauses and clock.from_database(pauses[0].since) <= cause.until:
            pause = pauses.pop(0)
            yield Cause(clock.from_database(pause.since), cause.reason)
            yield Cause(min(clock.from_database(pause.until), causes[-1].until), str(pause))
        yield cause


def _with_jobs(rule: StoredRule, since: datetime, causes: Sequence[Cause]) -> list[Cause]:
    """The causes, but where a job of the rule was under way: from its start to its end it is the cause."""
    until = causes[-1].until
    under_way = rule_store.current().jobs(rule.name).started().order_by("start_datetime", "pk")
    under_way = under_way.filter(
        start_datetime__lte=clock.to_database(until), end_datetime__gt=clock.to_database(since)
    )
    result = list(causes)
    for number, begun, ended in under_way.values_list("pk", "start_datetime", "end_datetime")[:MOST_JOBS]:
        start, end = clock.from_database(begun), clock.from_database(ended or begun)
        before = [cause for cause in result if cause.until < start]
        at_start = next(cause for cause in result if cause.until >= start)
        after = [cause for cause in result if cause.until > end]
        busy = Cause(min(end, until), f"job #{number} was still running")
        result = [*before, Cause(start, at_start.reason), busy, *after]
    return result


def _write(rule: StoredRule, span: Span) -> None:
    """Unless another host has just told of that slot. It stands at its own time among the runs."""
    due = clock.to_database(span.last)
    rule_store.current().keep(
        {
            "rule_name": rule.name,
            "scheduled_for": clock.to_slot(span.last),
            "attempt": 1,
            "start_datetime": due,
            "end_datetime": due,
            "status": Status.SKIPPED,
            "reason": span.reason,
            "trigger": Trigger.TIMER,
            "host": host.host_name(),
            "boot_id": boot.boot_id(),
        },
        same=("rule_name", "scheduled_for", "attempt"),
    )
