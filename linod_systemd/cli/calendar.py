"""Print the page of ``linod calendar``: all rules, with the runs of a week or a month. Needs no Django."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from linod_systemd.cli import output
from linod_systemd.common.argument_types import month
from linod_systemd.common.text import visible_line
from linod_systemd.recurrence import agenda, english
from linod_systemd.recurrence.agenda import Agenda, Entry
from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.rules import rules_file
from linod_systemd.rules.explain import explain
from linod_systemd.rules.rule import Rule, RuleSet

MOST_NAMES = 4


def from_file(options: argparse.Namespace) -> int:
    """Answer from a rules.json.

    :raises RulesFileError: for a file that cannot be used.
    """
    rules = rules_file.read(options.rules)
    for refused in rules.refused:
        print(f"linod: {refused}", file=sys.stderr)
    show(_entries(rules), rules.timezone, options)
    return 2 if rules.refused else 0


def _entries(rules: RuleSet) -> Iterable[Entry]:
    now = datetime.now(UTC)
    for rule in rules.rules:
        if not rule.cancelled:
            yield entry(rule, rules.recurrence(rule), rule.paused_until, now)


def entry(rule: Rule, recurrence: RecurrenceSet, paused_until: datetime | None, now: datetime) -> Entry:
    """A rule as the page takes it (instants are aware)."""
    pauses = [(now, paused_until)] if paused_until else []
    return Entry(rule.name, recurrence, explain(rule, recurrence, now), pauses)


def show(entries: Iterable[Entry], timezone: str, options: argparse.Namespace) -> None:
    """Print the page.

    :param timezone: on whose wall clock the dates are.
    """
    zone, now = ZoneInfo(timezone), datetime.now(UTC)
    today = now.astimezone(zone).date()
    first, last = agenda.week(today)
    if options.month:
        first, last = options.month if isinstance(options.month, tuple) else month(f"{today:%Y-%m}")
    found = agenda.of(entries, first, last, zone, now)
    if options.json:
        output.give_json(_as_json(found))
        return
    for line in _page(found):
        print(line)


def _page(found: Agenda) -> Iterable[str]:
    yield f"{english.full_date(found.first)} to {english.full_date(found.last)}, {found.zone.key}"
    if found.often:
        yield ""
        yield from (visible_line(f"often       {entry.name}: {entry.sentence}") for entry in found.often)
    for day, runs in found.days.items():
        if not runs:
            continue
        yield ""
        yield english.short_date(day)
        for at, group in groupby(runs, key=lambda run: run[0]):
            mark = "  ← a crowded hour" if at.replace(minute=0, second=0) in found.crowded else ""
            names = _names([name for _, name in group])
            yield visible_line(f"  {english.time_of_day(at.time()):8}  {names}{mark}")
    if not any(found.days.values()):
        yield ""
        yield "nothing else is due"
    if found.crowded:
        yield ""
        yield f"crowded hours, in which {agenda.CROWD} rules or more start:"
        yield from _crowds(found)
        yield "a jitter spreads them: each rule is delayed by its own part of so many seconds"


def _crowds(found: Agenda) -> Iterable[str]:
    """Yield the crowded hours; those of many days with equal rules share a line."""
    dates: dict[tuple[int, tuple[str, ...]], list[datetime]] = defaultdict(list)
    for hour, names in found.crowded.items():
        dates[hour.hour, tuple(sorted(names))].append(hour)
    for (number, crowd), hours in sorted(dates.items()):
        on = english.short_date(hours[0]) if len(hours) == 1 else f"on {len(hours)} days"
        yield visible_line(f"  {number:02d}:00  {on}: {len(crowd)} rules, {_names(list(crowd))}")


def _names(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def _as_json(found: Agenda) -> dict[str, object]:
    return {
        "from": found.first.isoformat(),
        "until": found.last.isoformat(),
        "timezone": found.zone.key,
        "often": [{"rule": entry.name, "explanation": entry.sentence} for entry in found.often],
        "days": {
            day.isoformat(): [{"at": at.astimezone(UTC).isoformat(), "rule": name} for at, name in runs]
            for day, runs in found.days.items()
        },
        "crowded": {hour.isoformat(): names for hour, names in found.crowded.items()},
    }
