"""Print the next times of a rule, or a sentence that explains them. A rules.json needs no Django."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from linod_systemd.cli import output
from linod_systemd.recurrence import english
from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.rules import rules_file
from linod_systemd.rules.explain import explain
from linod_systemd.rules.nearest import no_such_rule
from linod_systemd.rules.rule import Rule
from linod_systemd.sites import config


@dataclass(frozen=True)
class Asked:
    """A rule that is asked about, when it is due and, where that is known, its last start and its site."""

    rule: Rule
    recurrence: RecurrenceSet
    last_start: datetime | None = None
    site: str = ""


def find_in_file(path: Path, name: str) -> Asked:
    """The rule of this name in a rules.json.

    :raises RulesFileError: for a file that cannot be used.
    :raises RefusedRule: for a rule that is impossible.
    :raises NoSuchRule: where the file has no such rule.
    """
    rules = rules_file.read(path)
    rule = rules.get(name)
    if rule is not None:
        return Asked(rule, rules.recurrence(rule))
    for refused in rules.refused:
        if str(refused).startswith(f"rule {name!r}"):
            raise refused
    raise no_such_rule(name, [rule.name for rule in rules.rules], path)


def answer(asked: Asked, options: argparse.Namespace) -> int:
    """Print what ``linod next`` or ``linod explain`` has to say about a rule; the exit code."""
    now = datetime.now(UTC)
    sentence = explain(asked.rule, asked.recurrence, now)
    if options.command == "next":
        _print_next(asked, sentence, now, options)
    elif options.json:
        output.give_json({"rule": asked.rule.name, "explanation": sentence})
    else:
        print(sentence)
    return 0


def _print_next(asked: Asked, sentence: str, now: datetime, options: argparse.Namespace) -> None:
    recurrence = asked.recurrence
    begin = min(options.from_time or now, recurrence.end_of_time)
    found: list[datetime] = []
    if not asked.rule.cancelled:
        found = list(islice(recurrence.due_after(begin, asked.last_start), options.n))
    if options.json:
        output.give_json([instant.isoformat() for instant in found])
    elif found and output.is_read_by_people():
        from linod_systemd.cli import next_view  # it takes rich, which no pipe needs

        next_view.show(sentence, recurrence, found, now)
    else:
        for instant in found:
            print(instant.isoformat())
    if not found:
        print(f"{asked.rule.name}: {_why_never(asked, now)}", file=sys.stderr)


def _why_never(asked: Asked, now: datetime) -> str:
    """Why nothing is due."""
    rule, recurrence = asked.rule, asked.recurrence
    if rule.every_unit == "never":
        return "never due by itself"
    if rule.cancelled:
        return f"nothing due: it is cancelled; again: {config.command(asked.site, 'enable', rule.name)}"
    end = recurrence.anchor if rule.every_unit == "once" else recurrence.last
    if end is None or end > recurrence.end_of_time:
        return f"nothing due: time is counted to the year {recurrence.end_of_time.year}"
    local = (end - recurrence.shift).astimezone(recurrence.zone)
    return f"nothing due: it {'ended' if end <= now else 'ends'} on {english.full_date(local.date())}"
