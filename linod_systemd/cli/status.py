"""Show the rules of a site, their units, and the cost of the supervisor (``linod status``)."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import Any

from linod_systemd import clock
from linod_systemd.cli import output
from linod_systemd.cli.jobs import job_as_json
from linod_systemd.cli.output import print_table, say
from linod_systemd.common.text import visible_line
from linod_systemd.jobs import overview
from linod_systemd.jobs.health import Health
from linod_systemd.jobs.overview import Overview
from linod_systemd.recurrence.recurrence_set import RecurrenceError
from linod_systemd.rules.explain import when
from linod_systemd.sites import config
from linod_systemd.store import spans
from linod_systemd.supervisor import memory
from linod_systemd.tasks import Tasks

COLUMNS = ("rule", "when", "last run", "next run", "state")


def status(site: config.Site, options: argparse.Namespace) -> int:
    """The exit code is fit for an alarm: 1 where something is wrong with a rule, or with its units."""
    if options.lines:
        return _lines(site)
    seen = overview.of_site(site)
    found = seen.health
    if options.json:
        output.give_json(_as_json(site, seen))
    else:
        now = clock.utc_now()
        empty = f"there are no rules yet: {config.command(site.name, 'setup')}"
        print_table(COLUMNS, [_cells(one, now) for one in found.rules], empty=empty)
        for one in found.rules:
            for said in one.edits:
                take = config.command(site.name, "take-code", one.rule.name)
                say(f"{one.rule.name} was edited: {said}; to take the code's: {take}")
        if options.verbose:
            say(memory.in_words(site))
            say(memory.slice_in_words(site))
    sys.stdout.flush()
    for trouble in found.troubles:
        print(f"linod: {visible_line(str(trouble))}", file=sys.stderr)
    return 1 if found.troubles else 0


def _lines(site: config.Site) -> int:
    """The lines of Lino's linod, one for each rule."""
    lines = Tasks().status()
    for line in lines:
        say(visible_line(line))
    if not lines:
        print(f"there are no rules yet: {config.command(site.name, 'setup')}", file=sys.stderr)
    return 0


def _cells(one: Health, now: datetime) -> tuple[str, ...]:
    last = "–" if one.last_start is None else f"{spans.ago(now - one.last_start)}: {one.last_status}"
    due = "–" if one.next_due is None else f"in {spans.span(one.next_due - now)}"
    state = "live, edited" if one.state == "live" and one.edits else one.state
    return (one.rule.name, _when(one), last, due, state)


def _when(one: Health) -> str:
    try:
        return when(one.rule.recurrence(), clock.utc_now())
    except RecurrenceError:
        return "impossible"


def _as_json(site: config.Site, seen: Overview) -> dict[str, Any]:
    return {
        "site": site.name,
        "troubles": [vars(one) for one in seen.health.troubles],
        "paused_until": _iso(clock.from_database(seen.pause.until)) if seen.pause else None,
        "running": [job_as_json(job) for job in seen.running],
        "next": [{"rule": one.rule.name, "due": _iso(one.next_due)} for one in seen.next_runs],
        "failures": [job_as_json(job) for job in seen.failures],
        "rules": [_rule_as_json(site, one) for one in seen.health.rules],
    }


def _rule_as_json(site: config.Site, found: Health) -> dict[str, Any]:
    rule, stored = found.rule.rule, found.rule
    return {
        "name": rule.name,
        "procedure": rule.procedure,
        "every_unit": rule.every_unit,
        "every": rule.every,
        "cancelled": rule.cancelled,
        "cancelled_by": stored.cancelled_by,
        "cancelled_note": stored.cancelled_note,
        "last_start": _iso(found.last_start),
        "last_success": _iso(found.last_success),
        "last_status": found.last_status or None,
        "next": _iso(found.next_due),
        "paused_until": _iso(found.paused_until),
        "overdue": _iso(found.overdue),
        "silent_since": _iso(found.silent_since),
        "trouble": found.trouble or None,
        "remedy": found.remedy(site) if found.trouble else None,
        "differs_from_code": found.edits,
    }


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
