"""Compute the lines of the timers of a site. Pure, but for the clock of the processor.

It runs in a process of its own (read_as_user.py), as a site may write rules that take minutes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from linod_systemd.common import unit_names
from linod_systemd.common.time_limit import time_limit
from linod_systemd.errors import RefusedRule
from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.rules.rule import Rule, RuleSet
from linod_systemd.sites.config import Site
from linod_systemd.systemd import time_zones
from linod_systemd.units.oncalendar import timer

RULE_SECONDS = 2.0  # of the processor, for one rule
SITE_SECONDS = 30.0  # and for all of them
SETTLED = timedelta(seconds=5)
COMPUTED = re.compile(r"^# Reckoned from (\S+)\.$", re.MULTILINE)
LINE = re.compile(r"^On(?:Calendar|BootSec|UnitActiveSec)=.*$", re.MULTILINE)


@dataclass(frozen=True)
class Timing:
    """The lines of a rule's timer, and from when on they were computed (aware).

    ``relisted``: only its list of dates was made anew; the rule is as it was.
    """

    now: datetime
    lines: tuple[str, ...]
    relisted: bool = False


@dataclass(frozen=True)
class Computed:
    """The rules of a site, when each of them elapses (by its name), and those that are refused."""

    rules: RuleSet
    timings: Mapping[str, Timing]
    refused: tuple[RefusedRule, ...]


class TooLong(Exception):
    """The computation of one rule takes more than its time."""


def timing(recurrence: RecurrenceSet, now: datetime, installed: str = "") -> Timing:
    """When a timer elapses.

    :param installed: the text of its timer as it is; a list in it stays while it is long enough.
    """
    before = computed_from(installed)
    if before is not None and before <= now and not timer.is_over(recurrence, now):
        lines = timer.timer_lines(recurrence, before)
        if lines == LINE.findall(installed):
            end = timer.horizon_end(recurrence, before)
            if end is None or end - now > (end - before) / 2:
                return Timing(before, tuple(lines))
            now -= SETTLED  # what has just come may not have elapsed yet, and elapses once only
            return Timing(now, tuple(timer.timer_lines(recurrence, now)), relisted=True)
    return Timing(now, tuple(timer.timer_lines(recurrence, now)))


def computed_from(text: str) -> datetime | None:
    """From when on the dates of a timer were computed."""
    found = COMPUTED.search(text)
    return datetime.fromisoformat(found[1]) if found else None


def of_rules(site: Site, rules: RuleSet, installed: Mapping[str, str], now: datetime) -> Computed:
    """Compute every rule; one that takes too long, or cannot be computed, is refused by name.

    :param installed: the text of each timer that is there, by the name of its file.
    """
    timings: dict[str, Timing] = {}
    refused = list(rules.refused)
    deadline = time.process_time() + SITE_SECONDS
    for rule in rules.rules:
        before = installed.get(unit_names.timer(site.unit_prefix, rule.name), "")
        if lacks := time_zones.trouble(rule.timezone or rules.timezone):
            refused.append(RefusedRule(f"rule {rule.name!r}: {lacks}", "correct its timezone, or TIME_ZONE"))
            continue
        try:
            if time.process_time() > deadline:
                raise TooLong
            with time_limit(RULE_SECONDS, TooLong(), of_processor=True):
                timings[rule.name] = timing(rules.recurrence(rule), now, before)
        except TooLong:
            refused.append(_refused(rule, "takes too long to compute", "let it begin later, or more simply"))
        except (ArithmeticError, LookupError, ValueError) as error:
            refused.append(_refused(rule, f"cannot be computed ({error!s:.200})", "correct the rule"))
    return Computed(rules, timings, tuple(refused))


def _refused(rule: Rule, problem: str, remedy: str) -> RefusedRule:
    return RefusedRule(f"rule {rule.name!r} {problem}", remedy)
