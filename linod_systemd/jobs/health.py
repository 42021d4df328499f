"""Judge the rules of a site: the last run of each, its next one, and its trouble."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from linod_systemd import app_settings, clock
from linod_systemd.errors import LinodError
from linod_systemd.jobs import consequences, skipped
from linod_systemd.recurrence.recurrence_set import RecurrenceError, RecurrenceSet
from linod_systemd.rules.explain import explain
from linod_systemd.sites import config
from linod_systemd.store import pause, rule_store
from linod_systemd.store.choices import CancelledBy, Status
from linod_systemd.store.job import Job
from linod_systemd.store.next_due import local, next_after
from linod_systemd.store.pause import Pause
from linod_systemd.store.rule_store import StoredRule
from linod_systemd.systemd import time_zones, unit_health
from linod_systemd.systemd.unit_health import Trouble


@dataclass(frozen=True)
class Health:
    """How one rule is. Instants are aware.

    ``last``: its last run, without the message; ``has_failed``: that ended badly, and nobody wanted it;
    ``overdue``: an occurrence that has passed, and no job stands for it; ``silent_since``: the last success,
    where that is longer ago than the rule's ``missed_after``; ``pause``: the pause that holds, in words;
    ``edits``: where a person has made it differ from its decorator.
    """

    rule: StoredRule
    last: Job | None
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

    @property
    def meaning(self) -> str:
        """When and how it is run, in one sentence: ``every day at 04:00, Europe/Brussels``."""
        try:
            sentence = explain(self.rule.rule, self.rule.recurrence(), clock.utc_now())
        except RecurrenceError as error:
            return f"impossible: {error}"
        return sentence.removeprefix("cancelled: ")  # its state says that

    def remedy(self, site: config.Site) -> str:
        """Return the remedy for its trouble: a command, or an advice."""
        if self.impossible:
            return "correct the rule in the admin"
        if self.rule.rule.cancelled:
            return consequences.way_back(site, self.rule.name)
        return config.command(site.name, "jobs", self.rule.name)


@dataclass(frozen=True)
class SiteHealth:
    """How a site is: its rules, and the troubles of its units that somebody should look at."""

    site: config.Site
    rules: list[Health]
    unit_troubles: list[Trouble]

    @property
    def rule_troubles(self) -> list[Trouble]:
        bad = (one for one in self.rules if one.trouble)
        return [Trouble(one.trouble, one.remedy(self.site), one.rule.name) for one in bad]

    @property
    def troubles(self) -> list[Trouble]:
        return [*self.unit_troubles, *self.rule_troubles]


def of_site(site: config.Site) -> SiteHealth:
    """How a site is now: its rules by the database, their units by systemd. The one judgement of that.

    Where systemd cannot be asked, a trouble says so: a process of the site may be kept from it.
    """
    rules = of(rule_store.current().rules(), clock.utc_now())
    due = {
        one.rule.name: one.next_due
        for one in rules
        if one.next_due is not None and one.paused_until is None and not one.rule.rule.cancelled
    }
    try:
        troubles = unit_health.of_site(site, due)
    except LinodError as error:
        troubles = [Trouble(f"how its units are is not known here: {error.message}", error.remedy)]
    return SiteHealth(site, rules, troubles)


def of(rules: Sequence[StoredRule], now: datetime) -> list[Health]:
    """How rules are now (aware); by queries whose number does not grow with the rules."""
    source = rule_store.current()
    names, jobs = [rule.name for rule in rules], source.jobs()
    last = jobs.started().first_of_each(names)
    success = jobs.filter(status=Status.SUCCESS).first_of_each(names)
    slots = jobs.last_slots(names)
    left_out = jobs.slots_to_come(names)
    running = set(jobs.running().values_list("rule_name", flat=True))
    since = min([now, *(slots.get(rule.name) or rule.live_since or now for rule in rules)])
    pauses = source.pauses(since, now)
    held = [one for one in pauses if clock.from_database(one.until) > now]
    return [
        _of(
            rule,
            now,
            Facts(
                last.get(rule.name),
                success.get(rule.name),
                slots.get(rule.name),
                rule.name in running,
                left_out.get(rule.name, set()),
                [one for one in pauses if one.holds(rule.name)],
                pause.last_of(rule.name, held),
            ),
        )
        for rule in rules
    ]


@dataclass(frozen=True)
class Facts:
    """What the database knows of a rule: its last run and success, the latest slot that has a job, whether it
    is running, the slots to come that are skipped, its pauses since then, and the one that holds now."""

    last: Job | None
    success: Job | None
    latest_slot: datetime | None
    is_running: bool
    left_out: Set[datetime]
    pauses: Sequence[Pause]
    held: Pause | None


def _of(rule: StoredRule, now: datetime, facts: Facts) -> Health:
    last, held = facts.last, facts.held
    paused = None if held is None else clock.from_database(held.until)
    last_start = clock.from_database(last.start_datetime) if last else None
    if last_start is not None and last_start > now:  # dated by a clock that was ahead
        last_start = rule_store.current().jobs(rule.name).last_start()
    impossible, next_due, overdue = "", None, None
    try:
        next_due = None if rule.rule.cancelled else next_after(rule, paused, last_start, facts.left_out)
        impossible = time_zones.trouble(rule.rule.timezone or rule.timezone)
        overdue = _overdue(rule, rule.recurrence(), now, last_start, facts)
    except RecurrenceError as error:
        impossible = str(error)
    last_success = clock.from_database(facts.success.start_datetime) if facts.success else None
    return Health(
        rule,
        last,
        last_start,
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


def _overdue(
    rule: StoredRule, recurrence: RecurrenceSet, now: datetime, last_start: datetime | None, facts: Facts
) -> datetime | None:
    if rule.rule.cancelled or facts.is_running:
        return None
    on_time_until = now - timedelta(seconds=app_settings.get("LINOD_LATE_SECONDS"))
    if recurrence.is_monotonic:
        due = recurrence.next_after_start(last_start, on_time_until)
        return due if last_start is not None and due is not None and due < on_time_until else None
    slot = recurrence.last_before(on_time_until)
    if slot is None or rule.live_since is None or slot <= rule.live_since + skipped.SETTLING:
        return None
    if facts.latest_slot is not None and facts.latest_slot >= slot:
        return None
    was_paused = any(clock.from_database(one.until) > slot for one in facts.pauses)
    return None if was_paused else slot
