"""rules.json, the border between a site and root: how it is read and written.

The site's user writes it, root reads it and trusts nothing in it. Nothing here imports Django.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from linod_systemd import ordering
from linod_systemd.errors import LinodError, RefusedRule
from linod_systemd.recurrence import RecurrenceError, RecurrenceSet
from linod_systemd.rule import Rule, RuleSet
from linod_systemd.rule_checks import check_rule

VERSION = 1
MAX_RULES = 10_000


class RulesFileError(LinodError):
    """A rules.json that as a whole cannot be used."""

    exit_code = 2


def dump(site: str, timezone: str, rules: Iterable[Rule]) -> str:
    """The text of a rules.json."""
    entries = [_entry(rule) for rule in rules]
    document = {"version": VERSION, "site": site, "timezone": timezone, "rules": entries}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _entry(rule: Rule) -> dict[str, Any]:
    values = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
    values["catch_up"] = rule.makes_up
    return {
        key: value.isoformat() if isinstance(value, date | time) else value for key, value in values.items()
    }


def read(path: Path) -> RuleSet:
    """Read and judge a rules.json that somebody named.

    :raises RulesFileError: for a file that cannot be read, or as :func:`parse` does.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesFileError(f"{path} cannot be read ({error})", "name a rules.json") from error
    return parse(text, str(path))


def parse(text: str, source: str = "rules.json") -> RuleSet:
    """Read and judge a rules.json.

    :param source: what to call it in errors.
    :raises RulesFileError: where the whole is unusable: cut off, another version, no list of rules.
        A single bad rule is told in ``refused``.
    """
    document = _document(text, source)
    site, timezone = document.get("site"), document.get("timezone", "UTC")
    if not isinstance(site, str) or not isinstance(timezone, str):
        raise RulesFileError(f"{source}: site and timezone must be texts", "write it anew: linod export")
    try:
        RecurrenceSet(every_unit="never", start_date=date(2000, 1, 1), timezone=timezone)
    except RecurrenceError as error:
        raise RulesFileError(
            f"{source}: {error!s:.300}", "correct TIME_ZONE in the site's settings"
        ) from error
    rules: dict[str, Rule] = {}
    refused: list[RefusedRule] = []
    for number, entry in enumerate(document["rules"], 1):
        try:
            rule = _rule(entry, number)
            check_rule(rule, timezone)
            if rule.name in rules:
                raise RefusedRule(f"rule {rule.name!r} stands twice in {source}", "rename one of them")
            rules[rule.name] = rule
        except RecurrenceError as error:
            refused.append(
                RefusedRule(
                    f"rule {rule.name!r}: {error!s:.300}", "correct the rule in the admin or in its procedure"
                )
            )
        except RefusedRule as error:
            refused.append(error)
    refused += _take_out_circles(rules)
    return RuleSet(site, timezone, tuple(rules.values()), tuple(refused))


def _take_out_circles(rules: dict[str, Rule]) -> Iterator[RefusedRule]:
    """Of rules that run after each other in a circle none can go first."""
    while circle := ordering.circle({rule.name: rule.run_after for rule in rules.values()}):
        for name in circle[1:]:
            del rules[name]
            yield RefusedRule(
                f"rule {name!r} is in a circle: {ordering.in_words(circle)}", "correct run_after of one"
            )


def _document(text: str, source: str) -> dict[str, Any]:
    again = "write it anew: linod export"
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        raise RulesFileError(f"{source} is no JSON ({error})", again) from error
    if not isinstance(document, dict):
        raise RulesFileError(f"{source} is no JSON object", again)
    if document.get("version") != VERSION or isinstance(document["version"], bool):
        raise RulesFileError(
            f"{source} is of version {document.get('version')!r}, not {VERSION}",
            "install the same linod-systemd for root and for the site, then: linod export",
        )
    unknown = sorted(set(document) - {"version", "site", "timezone", "rules"})
    if unknown:
        raise RulesFileError(f"{source} has the unknown key {unknown[0]!r}", again)
    if not isinstance(document.get("rules"), list) or len(document["rules"]) > MAX_RULES:
        raise RulesFileError(f"{source}: rules must be a list of at most {MAX_RULES} entries", again)
    return document


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10**9:
        raise ValueError("must be a whole number from 0 to 1000000000")
    return value


def _date(value: object) -> date:
    return date.fromisoformat(_text(value))


def _time(value: object) -> time:
    result = time.fromisoformat(_text(value))
    if result.tzinfo or result.microsecond:
        raise ValueError("must be hours, minutes and seconds alone")
    return result


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("must be a list of texts")
    return tuple(value)


def _instant(value: object) -> str:
    if datetime.fromisoformat(_text(value)).tzinfo is None:
        raise ValueError("must have an offset, such as +00:00")
    return str(value)


_READERS = {
    "name": _text,
    "procedure": _text,
    "cancelled": _flag,
    "log_level": _text,
    "every_unit": _text,
    "every": _number,
    "start_date": _date,
    "start_time": _time,
    "end_date": _date,
    "end_time": _time,
    "max_events": _number,
    "positions": _text,
    "weekdays": _names,
    "timezone": _text,
    "jitter": _number,
    "catch_up": _flag,
    "timeout": _number,
    "retries": _number,
    "cancel_on_failure": _flag,
    "run_after": _names,
    "paused_until": _instant,
}
_NULLABLE = {"start_time", "end_date", "end_time", "max_events", "timezone", "catch_up", "paused_until"}


def _rule(entry: object, number: int) -> Rule:
    if not isinstance(entry, Mapping):
        raise RefusedRule(f"rule number {number} is no JSON object", "write rules.json anew: linod export")
    name = entry.get("name", f"number {number}")
    values: dict[str, Any] = {}
    for key, value in entry.items():
        if key not in _READERS:
            raise RefusedRule(
                f"rule {name!r:.80} has the unknown key {key!r:.80}", "remove it, or upgrade linod-systemd"
            )
        if value is None and key in _NULLABLE:
            continue
        try:
            values[key] = _READERS[key](value)
        except ValueError as error:
            raise RefusedRule(
                f"rule {name!r:.80}: {key} is {value!r:.80}: {error!s:.200}", "correct it"
            ) from error
    for key in ("name", "start_date"):
        if key not in values:
            raise RefusedRule(f"rule {name!r:.80} lacks the key {key!r}", "add it")
    return Rule(**values)
