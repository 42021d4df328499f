"""Judge whether a rule can become units: of a row, a decorator, or rules.json. Pure."""

from __future__ import annotations

import re
from datetime import time

from linod_systemd.common import unit_names
from linod_systemd.common.text import CONTROLS
from linod_systemd.errors import RefusedRule
from linod_systemd.recurrence.dates import LAST_ELAPSE_YEAR
from linod_systemd.rules.log_levels import LogLevels
from linod_systemd.rules.rule import Rule

MAX_NAME = 200
LONGEST_TIMEOUT = 366 * 86400
LONGEST_JITTER = 86400
MAX_RUN_AFTER = 100
MAX_FAILURES = 1000
MOST = 10**9
_UNPRINTABLE = re.compile(f"[\t\n{CONTROLS}]")
_LIMITS = (
    *(("timeout", 1, LONGEST_TIMEOUT), ("jitter", 0, LONGEST_JITTER), ("retries", 0, MOST)),
    *(("every", 1, MOST), ("max_events", 1, MOST), ("missed_after", 1, MOST)),
    ("cancel_on_failure", 0, MAX_FAILURES),
)


def check_rule(rule: Rule, site_timezone: str) -> None:
    """Judge one rule.

    :raises RefusedRule: for a name, level or number that no unit can carry.
    :raises RecurrenceError: for an impossible recurrence.
    """
    check_rule_name(rule.name)
    if _UNPRINTABLE.search(rule.procedure):
        raise RefusedRule(
            f"rule {rule.name!r}: procedure is {rule.procedure!r:.80}, with control characters",
            "name a procedure of the site",
            "procedure",
        )
    if rule.log_level not in LogLevels.__members__:
        raise RefusedRule(
            f"rule {rule.name!r}: log_level is {rule.log_level!r:.80}",
            f"use one of {', '.join(LogLevels)}",
            "log_level",
        )
    for field, least, most in _LIMITS:
        value = getattr(rule, field)
        if value is None and field in ("max_events", "missed_after"):
            continue
        if not isinstance(value, int) or not least <= value <= most:
            raise RefusedRule(
                f"rule {rule.name!r}: {field} is {value!r:.80}", f"use {least} to {most}", field
            )
    _check_times(rule)
    if isinstance(rule.run_after, str) or not all(isinstance(name, str) for name in rule.run_after):
        raise RefusedRule(
            f"rule {rule.name!r}: run_after is {rule.run_after!r:.80}", "list the names of rules", "run_after"
        )
    _check_run_after(rule)
    rule.recurrence(site_timezone)


def _check_times(rule: Rule) -> None:
    for field in ("start_time", "end_time"):
        value = getattr(rule, field)
        if isinstance(value, time) and (value.tzinfo or value.microsecond):
            raise RefusedRule(
                f"rule {rule.name!r}: {field} is {value.isoformat()}",
                "give hours, minutes and seconds alone",
                field,
            )
    if rule.paused_until is not None and rule.paused_until.year >= LAST_ELAPSE_YEAR:
        raise RefusedRule(
            f"rule {rule.name!r}: paused_until is {rule.paused_until.isoformat()}",
            f"pause it until {LAST_ELAPSE_YEAR - 1} at the latest, or cancel it",
            "paused_until",
        )
    if rule.paused_until is not None and rule.paused_until.tzinfo is None:
        raise RefusedRule(
            f"rule {rule.name!r}: paused_until is {rule.paused_until.isoformat()}",
            "give an offset, such as +00:00",
            "paused_until",
        )


def _check_run_after(rule: Rule) -> None:
    if rule.name in rule.run_after:
        raise RefusedRule(f"rule {rule.name!r} runs after itself", "correct run_after", "run_after")
    if len(rule.run_after) > MAX_RUN_AFTER:
        raise RefusedRule(
            f"rule {rule.name!r} runs after {len(rule.run_after)} others",
            f"name at most {MAX_RUN_AFTER}",
            "run_after",
        )
    for name in rule.run_after:
        try:
            check_rule_name(name)
        except RefusedRule as error:
            raise RefusedRule(
                f"rule {rule.name!r}: run_after: {error.message}", error.remedy, "run_after"
            ) from error


def check_rule_name(name: str) -> None:
    """:raises RefusedRule: for a name that is empty, too long or holds control characters."""
    remedy = f"use 1 to {MAX_NAME} printable characters"
    if not name.strip("./ ") or len(name) > MAX_NAME:
        raise RefusedRule(f"rule {name!r:.80} has an impossible name", remedy, "name")
    if _UNPRINTABLE.search(name):
        raise RefusedRule(f"rule {name!r:.80} has control characters in its name", remedy, "name")
    if len(unit_names.escape(name)) > MAX_NAME:
        raise RefusedRule(f"rule {name!r:.80} is too long for the name of a unit", "shorten its name", "name")
