"""Where the rules of a site stand: in this app's own table, or in one of the site's, whose rows they mirror.

A site has one source. Lino's, whose tasks are rows with their own pages, is linod_systemd.lino.source.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from linod_systemd.logfile import FORMAT
from linod_systemd.procedures import Procedure, Procedures
from linod_systemd.request import Request

if TYPE_CHECKING:
    from linod_systemd.job import Job
    from linod_systemd.models import JobRule


class Source:
    """The rules are rows of this app, the procedures those of the registry."""

    note = ""  # what a bare ``manage.py linod`` has to say besides

    def procedure(self, rule: JobRule) -> Procedure | None:
        """What the rule runs, or None where it is gone from the code."""
        return Procedures.get(rule.procedure)

    def request(self, rule: JobRule, job: Job, logger: logging.Logger) -> Any:
        """``ar``, what the procedure is called with."""
        return Request(rule, job, logger)

    def formatter(self) -> logging.Formatter:
        """How a record is written into lino.log."""
        return logging.Formatter(FORMAT)

    def refresh(self) -> None:
        """Bring the rules in step with the rows that they mirror, which somebody may have changed by SQL."""

    def set_up(self) -> None:
        """The same, once new rows are made for procedures that have none."""
        self.refresh()

    def changed(self, rules: Iterable[JobRule]) -> None:
        """These rules were changed by an UPDATE of ours: cancelled, enabled, asked for."""

    def began(self, job: Job) -> None:
        """The row of a job that begins is written."""

    def ended(self, job: Job) -> None:
        """The row of a job has its end."""

    def failed(self, job: Job, consequence: str) -> None:
        """A job failed, and people are told of it."""


_current = Source()


def current() -> Source:
    return _current


def use(source: Source) -> None:
    """Make this the source of the site's rules; while the site is loaded."""
    global _current
    _current = source
