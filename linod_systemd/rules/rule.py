"""Rule and RuleSet: the entries of a rules.json as plain data. Pure, without Django."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from linod_systemd.common import host
from linod_systemd.errors import RefusedRule
from linod_systemd.recurrence.fields import NAMES, RecurrenceFields
from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.rules import jitter

FREQUENT_UNITS = ("secondly", "minutely", "hourly")


@dataclass(frozen=True, kw_only=True)
class Rule(RecurrenceFields):
    """One entry of rules.json: when a rule is due, and how to run it. Absent keys take these defaults.

    Spans of time are in seconds.
    """

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}  # what reads an entry: rules/rules_file.py

    name: str
    procedure: str = ""
    cancelled: bool = False
    log_level: str = "INFO"
    jitter: int = 0
    catch_up: bool | None = None
    timeout: int = 7200
    retries: int = 0
    cancel_on_failure: bool | int = True  # or after so many failures in a row
    cancel_on_manual_failure: bool = False
    missed_after: int | None = None
    run_after: tuple[str, ...] = ()
    paused_until: datetime | None = None

    def recurrence(self, site_timezone: str, delay: int = 0) -> RecurrenceSet:
        """When the rule is due.

        :param delay: seconds by which its jitter and that of others delay it: see :mod:`jitter`.
        :raises RecurrenceError: for an impossible recurrence.
        """
        values = {name: getattr(self, name) for name in NAMES}
        return RecurrenceSet(**values | {"timezone": self.timezone or site_timezone}, delay=delay)

    @property
    def makes_up(self) -> bool:
        """Whether a run missed while the machine was off is made up for: by default from a day on."""
        return self.every_unit not in FREQUENT_UNITS if self.catch_up is None else self.catch_up

    def is_live(self, now: datetime) -> bool:
        """Whether its timer is to be upheld (``now`` is aware)."""
        return not self.cancelled and (self.paused_until is None or self.paused_until <= now)


@dataclass(frozen=True)
class RuleSet:
    """The contents of a rules.json: the good rules, and why each of the others is refused."""

    site: str
    timezone: str
    rules: tuple[Rule, ...]
    refused: tuple[RefusedRule, ...] = ()

    def get(self, name: str) -> Rule | None:
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Rule]:
        return {rule.name: rule for rule in self.rules}

    def recurrence(self, rule: Rule) -> RecurrenceSet:
        """When a rule of these is due on this host.

        :raises RecurrenceError: for an impossible recurrence.
        """
        return rule.recurrence(self.timezone, self._delays[rule.name])

    @cached_property
    def _delays(self) -> dict[str, int]:
        return jitter.delays(self.rules, self.site, host.host_name())
