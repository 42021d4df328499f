"""``linod status``: the rules, and what having them ready costs."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import Any

from linod_systemd import answers, clock, conf, health, memory, store
from linod_systemd.health import Health
from linod_systemd.tasks import Tasks
from linod_systemd.terminal import say
from linod_systemd.visible import visible_line


def status(site: conf.Site, options: argparse.Namespace) -> int:
    """The exit code is fit for an alarm: 1 where something is wrong with a rule."""
    now = clock.utc_now()
    found = [health.of(rule, now) for rule in store.current().rules()]
    if options.json:
        answers.give_json([_as_json(one) for one in found])
    else:
        for line in Tasks().status():
            say(visible_line(line))
        if options.verbose:
            say(memory.in_words(site))
            say(memory.slice_in_words(site))
        if not found:
            print("there are no rules yet: linod setup", file=sys.stderr)
    troubles = [f"{one.rule.name}: {one.trouble}" for one in found if one.trouble]
    for trouble in troubles:
        print(f"linod: {visible_line(trouble)}", file=sys.stderr)
    return 1 if troubles else 0


def _as_json(found: Health) -> dict[str, Any]:
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
    }


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
