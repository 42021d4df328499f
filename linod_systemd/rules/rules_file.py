"""Read and write rules.json, the border between a site and root.

The site's user writes it, root reads it and trusts nothing in it. Nothing here imports Django.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from linod_systemd.common import files
from linod_systemd.errors import LinodError, RefusedRule
from linod_systemd.recurrence.recurrence_set import RecurrenceError, RecurrenceSet
from linod_systemd.rules import ordering
from linod_systemd.rules.rule import Rule, RuleSet
from linod_systemd.rules.validate import check_rule

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION = 1
MAX_RULES = 100_000  # of any site; its own budget is rules_max in SITE.toml
MOST_BYTES = 16 * 2**20


class RulesFileError(LinodError):
    """A rules.json that as a whole cannot be used."""

    exit_code = 2


def dump(site: str, timezone: str, rules: Iterable[Rule]) -> str:
    """The text of a rules.json."""
    entries = [_entry(rule) for rule in rules]
    document = {"version": VERSION, "site": site, "timezone": timezone, "rules": entries}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _entry(rule: Rule) -> dict[str, Any]:
    named = ("name", *(field.name for field in dataclasses.fields(rule)))  # the name first, for people
    values = {name: getattr(rule, name) for name in dict.fromkeys(named)}
    values["catch_up"] = rule.makes_up
    return {
        key: value.isoformat() if isinstance(value, date | time) else value for key, value in values.items()
    }


def read(path: Path) -> RuleSet:
    """Read and judge a rules.json that somebody named.

    :raises RulesFileError: for a file that cannot be read, or as :func:`parse` does.
    """
    try:
        text = files.read_plain(path, MOST_BYTES).decode()
    except UnicodeDecodeError as error:
        raise RulesFileError(f"{path} is no UTF-8 ({error})", "name a rules.json") from error
    except (OSError, ValueError) as error:
        raise RulesFileError(f"{path} cannot be read ({error})", "name a rules.json") from error
    return parse(text, str(path))


def site_of(path: Path) -> str:
    """The site that a rules.json is of.

    :raises RulesFileError: for a file that cannot be read, or as :func:`parse` does.
    """
    return read(path).site


def parse(text: str, source: str = "rules.json", export: str = "linod export") -> RuleSet:
    """Read and judge a rules.json.

    :param source: what to call it in errors.
    :param export: the command, as a person types it, that writes the file anew.
    :raises RulesFileError: where the whole is unusable: cut off, another version, no list of rules.
        A single bad rule is told in ``refused``.
    """
    again = f"write it anew: {export}"
    document = _document(text, source, again)
    site, timezone = document.get("site"), document.get("timezone", "UTC")
    if not isinstance(site, str) or not isinstance(timezone, str):
        raise RulesFileError(f"{source}: site and timezone must be texts", again)
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
            rule = _rule(entry, number, again)
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
    for name, way in ordering.in_circles({rule.name: rule.run_after for rule in rules.values()}).items():
        del rules[name]
        yield RefusedRule(
            f"rule {name!r} is in a circle: {ordering.in_words(way)}", "correct run_after of one"
        )


def _document(text: str, source: str, again: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError, ValueError) as error:
        raise RulesFileError(f"{source} is no JSON ({error})", again) from error
    if not isinstance(document, dict):
        raise RulesFileError(f"{source} is no JSON object", again)
    if document.get("version") != VERSION or isinstance(document["version"], bool):
        raise RulesFileError(
            f"{source} is of version {document.get('version')!r}, not {VERSION}",
            f"install the same linod-systemd for root and for the site, then {again}",
        )
    unknown = sorted(set(document) - {"version", "site", "timezone", "rules"})
    if unknown:
        raise RulesFileError(f"{source} has the unknown key {unknown[0]!r}", again)
    if not isinstance(document.get("rules"), list) or len(document["rules"]) > MAX_RULES:
        raise RulesFileError(f"{source}: rules must be a list of at most {MAX_RULES} entries", again)
    return document


def get_ready() -> None:
    """Import now what reads entries: a child that has become another user is to import nothing."""
    _entries()


@functools.cache
def _entries() -> TypeAdapter[Rule]:
    """Return the reader of entries. Only a process that reads some imports it: it takes long to load."""
    from pydantic import TypeAdapter

    return TypeAdapter(Rule)


def _rule(entry: object, number: int, again: str) -> Rule:
    """:raises RefusedRule: for what is no rule."""
    from pydantic import ValidationError

    if not isinstance(entry, Mapping):
        raise RefusedRule(f"rule number {number} is no JSON object", again)
    name = entry.get("name", f"number {number}")
    try:
        # By JSON, where a date is a text, and strictly, where a number is none.
        return _entries().validate_json(json.dumps(entry), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    key = str(first["loc"][0]) if first["loc"] else ""
    if not key:
        raise RefusedRule(f"rule {name!r:.80} cannot be read: {first['msg']:.200}", "correct it")
    match first["type"]:
        case "unexpected_keyword_argument":
            said, remedy = f"has the unknown key {key!r:.80}", "remove it, or upgrade linod-systemd"
        case "missing":
            said, remedy = f"lacks the key {key!r}", "add it"
        case _:
            said, remedy = f"{key} is {entry.get(key)!r:.80}: {first['msg']:.200}", "correct it"
    raise RefusedRule(f"rule {name!r:.80}: {said}" if ": " in said else f"rule {name!r:.80} {said}", remedy)
