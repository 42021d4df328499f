"""``linod status``: the rules, and what having them ready costs."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from linod_systemd import conf, memory
from linod_systemd.models import JobRule
from linod_systemd.tasks import Tasks
from linod_systemd.terminal import say
from linod_systemd.visible import visible_json, visible_line


def status(site: conf.Site, options: argparse.Namespace) -> int:
    if options.json:
        print(visible_json([_rule_as_json(rule) for rule in JobRule.objects.all()]))
        return 0
    for line in Tasks().status():
        say(visible_line(line))
    if options.verbose:
        say(memory.in_words(site))
    if not JobRule.objects.exists():
        print("there are no rules yet: linod setup", file=sys.stderr)
    return 0


def _rule_as_json(rule: JobRule) -> dict[str, Any]:
    due = rule.next_run()
    return {
        "name": rule.name,
        "procedure": rule.procedure,
        "every_unit": rule.every_unit,
        "every": rule.every,
        "cancelled": rule.cancelled,
        "cancelled_by": rule.cancelled_by,
        "next": due.isoformat() if due else None,
    }
