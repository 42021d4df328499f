"""Commands that change rules, or ask for a run of one, in a process where the site is loaded."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta

from linod_systemd import clock
from linod_systemd.cli.output import say
from linod_systemd.jobs import backfilling, running, skipped, stopping
from linod_systemd.sites import config
from linod_systemd.store import export, pause, rule_store
from linod_systemd.store.choices import CancelledBy
from linod_systemd.store.lookup import find_rule
from linod_systemd.store.next_due import local, next_run, site_time
from linod_systemd.tasks import Tasks


def setup(site: config.Site) -> int:
    """Make the rules of new procedures, and what else follows from the code."""
    say(f"{site.name}: {Tasks().setup()}")
    return write_rules(site)


def write_rules(site: config.Site) -> int:
    """Write rules.json, if it says something else."""
    written = export.export(site)
    print(f"{site.rules_file}: {'written' if written else 'up to date'}")
    return 0


def cancel(site: config.Site, name: str) -> int:
    """:raises NoSuchRule: where there is none of this name."""
    rule = find_rule(name)
    Tasks().cancel_rule(rule, CancelledBy.PERSON)
    say(f"{rule.name}: cancelled; again: {config.command(site.name, 'enable', rule.name)}")
    return 0


def enable(name: str) -> int:
    """:raises NoSuchRule: where there is none of this name."""
    rule = find_rule(name)
    if not rule_store.current().enable(rule.name):
        say(f"{rule.name}: was not cancelled")
        return 0
    due = next_run(find_rule(rule.name))
    say(f"{rule.name}: enabled, {f'next run at {local(due)}' if due else 'never due by itself'}")
    return 0


def take_code(name: str) -> int:
    """:raises NoSuchRule: where there is none of this name."""
    rule = find_rule(name)
    found = rule_store.current().take_code(rule.name)
    for said in found:
        say(f"{rule.name}: taken from the code: {said}")
    if not found:
        say(f"{rule.name}: is as the code says")
    return 0


def request_run(site: config.Site, name: str) -> int:
    """:raises AlreadyRunning: where its run has not ended; nothing is asked for then."""
    rule = find_rule(name)
    running.check(site, rule.name)
    rule_store.current().request_run(rule.name)
    jobs = config.command(site.name, "jobs", rule.name)
    say(f"{rule.name}: asked for; it is started by systemd. See: {jobs}")
    return 0


def skip_next(name: str, why: str) -> int:
    """:raises NoSuchRule, SkipError: where there is none of this name, or nothing to skip."""
    rule = find_rule(name)
    due = skipped.skip_next(rule, config.user_name(), why)
    following = next_run(rule)
    say(f"{rule.name}: skips {local(due)}{f', next run at {local(following)}' if following else ''}")
    return 0


def backfill(site: config.Site, options: argparse.Namespace) -> int:
    """:raises NoSuchRule, BackfillError: where there is none of this name, or no slot to run."""
    rule = find_rule(options.rule)
    begin = site_time(options.begin)
    end = site_time(options.end) if options.end else begin
    slots = backfilling.ask(rule, begin, end, forced=options.force, by=config.user_name())
    jobs = config.command(site.name, "jobs", "--trigger", "backfill", rule.name)
    say(f"{rule.name}: {len(slots)} past slots are run, oldest first, from {local(slots[0])}. See: {jobs}")
    return 0


def stop(site: config.Site, name: str) -> int:
    """:raises NoSuchRule, NotStopped: where there is none of this name, or it does not run in its unit."""
    rule = find_rule(name)
    job = rule_store.current().jobs(rule.name).running().first()
    if job is None:
        say(f"{rule.name}: does not run")
        return 0
    stopping.ask(site, job)
    show = config.command(site.name, "show", str(job.pk))
    say(f"{rule.name}: systemd is asked to stop job #{job.pk}. See: {show}")
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


def resume(site: config.Site, rule_name: str | None) -> int:
    """End the pause of a rule, or of the whole site.

    :raises NoSuchRule: where there is none of this name.
    """
    rule = find_rule(rule_name) if rule_name else None
    name = rule.name if rule else f"site {site.name}"
    if not rule_store.current().resume(rule.name if rule else pause.WHOLE_SITE):
        say(f"{name}: was not paused")
        return 0
    due = next_run(rule) if rule else None
    say(f"{name}: goes on{f', next run at {local(due)}' if due else ''}")
    return 0
