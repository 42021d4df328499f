"""RuleStore: the only door to the rules of a site, their pauses and their jobs.

A site has one store: rows of this app (django_store.py), of Lino's (linod_systemd.lino.store), or a model of
its own. Whoever asks for rules or jobs asks :func:`current`, and knows no model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from linod_systemd.common import host
from linod_systemd.errors import ConfigurationError
from linod_systemd.recurrence.recurrence_set import RecurrenceError, RecurrenceSet
from linod_systemd.rules import jitter
from linod_systemd.rules.rule import Rule
from linod_systemd.sites.config import Site

if TYPE_CHECKING:
    from linod_systemd.procedures import Procedure
    from linod_systemd.store.job import Job, JobQuerySet
    from linod_systemd.store.pause import Pause


@dataclass(frozen=True, kw_only=True)
class StoredRule:
    """A rule, and how it stands. Instants are in UTC; None: not known, or not so.

    ``find`` gives the other rules by name; ``row`` is what the site keeps it in, and ``ar.rule``; ``label``
    what a status line calls it; ``live_since``: when it was made, enabled or last edited; ``is_mirror``:
    another row of the site's own says what it is, so that setup() leaves it alone; ``is_stored``: False
    where it was read from rules.json, as the database is away.
    """

    rule: Rule
    site: str
    timezone: str
    find: Callable[[str], Rule | None]
    row: Any = None
    label: str = ""
    cancelled_by: str = ""
    cancelled_note: str = ""
    cancelled_at: datetime | None = None
    live_since: datetime | None = None
    requested_at: datetime | None = None
    is_mirror: bool = False
    is_stored: bool = True

    @property
    def name(self) -> str:
        return self.rule.name

    def recurrence(self) -> RecurrenceSet:
        """When it is due on this host.

        :raises RecurrenceError: where that is impossible.
        """
        delay = jitter.delay(self.rule, self.find, self.site, host.host_name())
        return self.rule.recurrence(self.timezone, delay)

    def slots(self) -> RecurrenceSet | None:
        """When it is due, where each occurrence is a slot; None: it is impossible, and so never due, or it
        counts from its previous start, whenever that was."""
        try:
            recurrence = self.recurrence()
        except RecurrenceError:
            return None
        return None if recurrence.is_monotonic else recurrence


@dataclass(frozen=True)
class Run:
    """One run of a rule, under way in this process.

    ``procedure``: what it calls; None where that is gone from the code.
    """

    store: RuleStore
    rule: StoredRule
    job: Job
    procedure: Procedure | None

    def request(self, logger: logging.Logger) -> Any:
        """``ar``, what the procedure is called with."""
        return self.store.request_for(self.rule, self.job, logger)

    def perform(self, ar: Any) -> None:
        """Call the procedure, which is there; what it raises is raised."""
        assert self.procedure is not None  # noqa: S101
        self.procedure.run(ar)

    def finish(self, **ending: Any) -> bool:
        """Write how it ended, as :meth:`RuleStore.finish`."""
        return self.store.finish(self.job, **ending)


class RuleStore(Protocol):
    """Rules are named, and changed by name. Every change reaches rules.json once it is committed.

    What changes one rule gives whether that changed anything.
    """

    @property
    def site(self) -> Site:
        """The site of these rules; SITE.toml is read until there is one."""
        ...

    @property
    def timezone(self) -> str:
        """The zone in which rules are due that name none."""
        ...

    @property
    def note(self) -> str:
        """A note that a bare ``manage.py linod`` prints besides."""
        ...

    # The rules.
    def rules(self) -> list[StoredRule]:
        """All, in their order."""
        ...

    def rule(self, name: str) -> StoredRule | None: ...

    def lock(self, name: str) -> None:
        """Keep others from changing the rule until the transaction ends."""
        ...

    def set_up(self) -> None:
        """Make what the site itself makes for new procedures, and do as :meth:`refresh`."""
        ...

    def refresh(self) -> None:
        """Take up what somebody may have changed by SQL in rows that the rules mirror."""
        ...

    def create(self, procedure: Procedure, number: int) -> StoredRule:
        """The rule of this name, with the procedure's default interval; made if there is none yet.

        :param number: its place among the procedures, from 1.
        """
        ...

    def follow_code(self, procedure: Procedure) -> list[str]:
        """Give the procedure's rule the values of its decorator, where nobody has edited it.

        What that changed, in words: ``every is 10, the code says 20``.
        """
        ...

    def differences(self, rule: StoredRule) -> list[str]:
        """The differences of a rule from its procedure's decorator: ``every is 10, the code says 20``."""
        ...

    def take_code(self, name: str) -> list[str]:
        """Give a rule the values of its decorator, also where a person edited it; what that changed."""
        ...

    def remove(self, name: str) -> bool:
        """Delete a rule; its jobs stay."""
        ...

    def cancel(self, name: str, by: str, note: str = "") -> bool:
        """Cancel a live rule.

        :param by: a value of CancelledBy.
        """
        ...

    def enable(self, name: str) -> bool:
        """Enable a cancelled rule; from now on, not for the past."""
        ...

    # Pauses: of a rule by its name, or of all by pause.WHOLE_SITE.

    def pause(self, rule: str, until: datetime, note: str = "", by: str = "") -> None:
        """Pause a rule until an instant (aware), in the place of a pause of it that holds.

        :raises PauseError: where that is past, or later than systemd knows.
        """
        ...

    def resume(self, rule: str) -> bool:
        """End the pause of a rule now; whether there was one."""
        ...

    def pauses(self, since: datetime, until: datetime | None = None, rule: str | None = None) -> list[Pause]:
        """The pauses that hold at an instant, or at some time between two (aware), by their end.

        :param rule: only those of the rule of this name, and of the whole site.
        """
        ...

    # The runs.
    def procedure(self, rule: StoredRule) -> Procedure | None:
        """The procedure of a rule, or None: it is gone from the code."""
        ...

    def request_for(self, rule: StoredRule, job: Job, logger: logging.Logger) -> Any:
        """``ar``, what a procedure is called with."""
        ...

    def request_run(self, name: str) -> bool:
        """Ask systemd to run the rule now."""
        ...

    def requested(self) -> list[StoredRule]:
        """The rules whose run was asked for and has not begun."""
        ...

    def withdraw(self, name: str) -> bool:
        """Take back what was asked for."""
        ...

    def claim(self, rule: StoredRule, job: Job) -> Run:
        """Write the row of a run that begins: one INSERT, under two constraints.

        :raises IntegrityError: where the rule is running, or another host has run this slot; or where the
            database refuses the row for another reason.
        """
        ...

    def finish(self, job: Job, **ending: Any) -> bool:
        """End the row of a job, if it has not ended yet (Job.finish()); whether it was this call that did."""
        ...

    def keep(self, row: dict[str, Any], same: Sequence[str] = ("uuid",)) -> Job:
        """Write a row for what needs no claim: what waited in the spool, never began or was skipped.

        :param row: the fields of the Job; its rule may be gone.
        :param same: the fields by which it is there already, and stays as it is.
        """
        ...

    # What ran.
    def jobs(self, rule: str | None = None) -> JobQuerySet:
        """The jobs of the rule of this name, or all; latest first."""
        ...

    # How the site speaks.
    def formatter(self) -> logging.Formatter:
        """How a record is written into lino.log."""
        ...

    def tell_failure(self, job: Job, consequence: str) -> None:
        """A job failed, and people are told of it by the site's own way, too."""
        ...


_current: RuleStore | None = None


def current() -> RuleStore:
    """Return the store of this site.

    :raises ConfigurationError: before Django's apps are ready, or where this app is not installed.
    """
    if _current is None:
        raise ConfigurationError(
            "no store is set: the site is not loaded, or does not have linod_systemd",
            "call django.setup() first, and name linod_systemd in INSTALLED_APPS",
        )
    return _current


def is_set() -> bool:
    """Whether a store is set. The hook of a Lino site may come before AppConfig.ready()."""
    return _current is not None


def use(store: RuleStore) -> None:
    """Make this the store of the site; while the site is loaded, in an AppConfig's ready()."""
    global _current
    _current = store
