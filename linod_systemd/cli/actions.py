"""``linod run``, ``linod pause`` and ``linod resume``: what a person who may not start units asks for."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta

from linod_systemd import clock
from linod_systemd.cli.output import say
from linod_systemd.jobs import running
from linod_systemd.sites import config
from linod_systemd.store import pause, rule_store
from linod_systemd.store.lookup import find_rule
from linod_systemd.store.next_due import local, next_run, site_time


def run(site: config.Site, options: argparse.Namespace) -> int:
    """:raises AlreadyRunning: where its run has not ended; nothing is asked for then."""
    rule = find_rule(options.rule)
    running.check(site, rule.name)
    rule_store.current().request_run(rule.name)
    jobs = config.command(site.name, "jobs", rule.name)
    say(f"{rule.name}: asked for; it is started by systemd. See: {jobs}")
    return 0


def pause_rule(site: config.Site, options: argparse.Namespace) -> int:
    """:raises PauseError: for an end that is past."""
    rule = find_rule(options.rule) if options.rule else None
    until = _end(options.until, options.duration)
    paused = rule.name if rule else pause.WHOLE_SITE
    rule_store.current().pause(paused, until, options.note, config.user_name())
    name = rule.name if rule else f"site {site.name}"
    again = config.command(site.name, "resume", *([rule.name] if rule else []))
    say(f"{name}: paused until {local(until)}; earlier: {again}")
    return 0


def _end(until: datetime | None, duration: timedelta | None) -> datetime:
    if until is None:
        return clock.utc_now() + (duration or timedelta())
    return site_time(until)


def resume(site: config.Site, options: argparse.Namespace) -> int:
    rule = find_rule(options.rule) if options.rule else None
    name = rule.name if rule else f"site {site.name}"
    if not rule_store.current().resume(rule.name if rule else pause.WHOLE_SITE):
        say(f"{name}: was not paused")
        return 0
    due = next_run(rule) if rule else None
    say(f"{name}: goes on{f', next run at {local(due)}' if due else ''}")
    return 0
