"""Judge the rules of a site: the last run of each, its next one, and its trouble."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from linod_systemd import app_settings, clock
from linod_systemd.jobs import consequences, skipped
from linod_systemd.recurrence.recurrence_set import RecurrenceError, RecurrenceSet
from linod_systemd.sites import config
from linod_systemd.store import pause, rule_store
from linod_systemd.store.choices import CancelledBy, Status
from linod_systemd.store.next_due import local, next_after
from linod_systemd.store.pause import Pause
from linod_systemd.store.rule_store import StoredRule
from linod_systemd.systemd import unit_health
from linod_systemd.systemd.unit_health import Trouble


@dataclass(frozen=True)
class Health:
    """How one rule is. Instants are aware.

    ``has_failed``: its last run ended badly, and nobody wanted that; ``overdue``: an occurrence that has
    passed, and no job stands for it; ``silent_since``: the last success, where that is longer ago than the
    rule's ``missed_after``; ``pause``: the pause that holds, in words; ``edits``: where a person has made it
    differ from its decorator.
    """

    rule: StoredRule
    last_start: datetime | None
    last_success: datetime | None
    last_status: str
    has_failed: bool
    next_due: datetime | None
    paused_until: datetime | None
    overdue: datetime | None
    impossible: str = ""
    silent_since: datetime | None = None
    pause: str | None = None
    edits: list[str] = field(default_factory=list)

    @property
    def trouble(self) -> str:
        """The trouble that somebody should look at, or nothing."""
        if self.impossible:
            return f"it is impossible: {self.impossible}"
        if self.rule.rule.cancelled:
            failed = self.rule.cancelled_by == CancelledBy.FAILURE
            return "it was cancelled by a failure" if failed else ""
        if self.silent_since is not None:
            return f"it has not succeeded since {local(self.silent_since)}"
        if self.overdue is not None:
            return f"it was due at {local(self.overdue)} and has not run"
        return f"its last run ended as {self.last_status}" if self.has_failed else ""

    @property
    def state(self) -> str:
        """How it stands, in words: ``cancelled by a person: too slow``, ``live``."""
        if self.rule.rule.cancelled:
            note = f": {self.rule.cancelled_note}" if self.rule.cancelled_note else ""
            return f"{CancelledBy(self.rule.cancelled_by).in_words}{note}"
        return self.pause or self.trouble or "live"

    def remedy(self, site: config.Site) -> str:
        """Return the remedy for its trouble: a command, or an advice."""
        if self.impossible:
            return "correct the rule in the admin"
        if self.rule.rule.cancelled:
            return consequences.way_back(site, self.rule.name)
        return config.command(site.name, "jobs", self.rule.name)


@dataclass(frozen=True)
class SiteHealth:
    """How a site is: its rules, and what somebody should look at."""

    rules: list[Health]
    unit_troubles: list[Trouble]
    rule_troubles: list[Trouble]

    @property
    def troubles(self) -> list[Trouble]:
        return [*self.unit_troubles, *self.rule_troubles]


def of_site(site: config.Site) -> SiteHealth:
    """How a site is now: its rules by the database, their units by systemd. The one judgement of that.

    :raises LinodError: where systemd does not answer in time.
    """
    now = clock.utc_now()
    pauses = rule_store.current().pauses(now)
    rules = [of(rule, now, pauses) for rule in rule_store.current().rules()]
    due = {
        one.rule.name: one.next_due
        for one in rules
        if one.next_due is not None and one.paused_until is None and not one.rule.rule.cancelled
    }
    troubles = [Trouble(one.trouble, one.remedy(site), one.rule.name) for one in rules if one.trouble]
    return SiteHealth(rules, unit_health.of_site(site, due), troubles)


def of(rule: StoredRule, now: datetime, pauses: Sequence[Pause] | None = None) -> Health:
    """How a rule is now (aware).

    :param pauses: those that hold now, where they are known.
    """
    jobs = rule_store.current().jobs(rule.name).defer("message")  # which may be long, and of each rule
    last = jobs.started().first()
    success = jobs.filter(status=Status.SUCCESS).first()
    known = rule_store.current().pauses(now, rule=rule.name) if pauses is None else pauses
    held = pause.last_of(rule.name, known)
    paused = None if held is None else clock.from_database(held.until)
    impossible, next_due, overdue = "", None, None
    try:
        next_due = None if rule.rule.cancelled else next_after(rule, paused)
        overdue = _overdue(rule, rule.recurrence(), now)
    except RecurrenceError as error:
        impossible = str(error)
    last_success = clock.from_database(success.start_datetime) if success else None
    return Health(
        rule,
        clock.from_database(last.start_datetime) if last else None,
        last_success,
        last.status if last else "",
        last is not None and last.has_failed,
        next_due,
        paused,
        overdue,
        impossible,
        None if paused else _silent_since(rule, last_success, now),
        None if held is None or paused is None else f"paused until {local(paused)}{held.remark}",
        rule_store.current().differences(rule),
    )


def _silent_since(rule: StoredRule, last_success: datetime | None, now: datetime) -> datetime | None:
    limit = rule.rule.missed_after
    if limit is None or rule.rule.cancelled:
        return None
    since = max((at for at in (last_success, rule.live_since) if at is not None), default=None)
    return since if since is not None and now - since > timedelta(seconds=limit) else None


def _overdue(rule: StoredRule, recurrence: RecurrenceSet, now: datetime) -> datetime | None:
    jobs = rule_store.current().jobs(rule.name)
    if rule.rule.cancelled or jobs.running().exists():
        return None
    on_time_until = now - timedelta(seconds=app_settings.get("LINOD_LATE_SECONDS"))
    if recurrence.is_monotonic:
        start = jobs.last_start()
        due = recurrence.next_after_start(start, on_time_until)
        return due if start is not None and due is not None and due < on_time_until else None
    slot = recurrence.last_before(on_time_until)
    if slot is None or rule.live_since is None or slot <= rule.live_since + skipped.SETTLING:
        return None
    latest = jobs.last_slot()
    if latest is not None and latest >= slot:
        return None
    return None if rule_store.current().pauses(slot, now, rule.name) else slot
