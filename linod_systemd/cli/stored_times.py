"""Find rules in the site's store for ``linod next``, ``linod explain`` and ``linod calendar``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from linod_systemd import clock
from linod_systemd.cli import calendar
from linod_systemd.cli.next_times import Asked
from linod_systemd.errors import RefusedRule
from linod_systemd.recurrence.agenda import Entry
from linod_systemd.recurrence.recurrence_set import RecurrenceError
from linod_systemd.sites.config import Site
from linod_systemd.store import pause, rule_store
from linod_systemd.store.lookup import find_rule


def find(site: Site, name: str) -> Asked:
    """Return the rule of this name, with its recurrence and its last start.

    :raises NoSuchRule: where there is none.
    :raises RefusedRule: for a rule that is impossible.
    """
    rule = find_rule(name)
    try:
        recurrence = rule.recurrence()
    except RecurrenceError as error:  # a row that nobody judged when it was saved
        raise RefusedRule(f"rule {rule.name!r}: {error}", "correct the rule in the admin") from error
    last_start = rule_store.current().jobs(rule.name).last_start()
    return Asked(rule.rule, recurrence, last_start, site.name)


def show_calendar(options: argparse.Namespace) -> int:
    """Print the page of ``linod calendar``, on the site's wall clock; the exit code."""
    calendar.show(_entries(), rule_store.current().timezone, options)
    return 0


def _entries() -> Iterator[Entry]:
    """The live rules, as the page takes them; an impossible one is told on stderr."""
    now = clock.utc_now()
    paused = rule_store.current().pauses(now)
    for stored in rule_store.current().rules():
        if stored.rule.cancelled:
            continue
        try:
            recurrence = stored.recurrence()
        except RecurrenceError as error:  # a row that nobody judged when it was saved
            print(f"linod: rule {stored.name!r}: {error}: correct the rule in the admin", file=sys.stderr)
            continue
        yield calendar.entry(stored.rule, recurrence, pause.end_of(stored.name, paused), now)
