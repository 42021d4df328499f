"""What each subcommand of ``linod`` does, in a process where the site is loaded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

from linod_systemd import clock
from linod_systemd.cli import actions, jobs, status
from linod_systemd.cli import calendar as calendar_page
from linod_systemd.cli.next_times import Asked, answer, find_in_file
from linod_systemd.cli.output import say
from linod_systemd.errors import LinodError, RefusedRule
from linod_systemd.jobs import on_failure
from linod_systemd.recurrence.agenda import Entry
from linod_systemd.recurrence.recurrence_set import RecurrenceError
from linod_systemd.sites import config
from linod_systemd.store import export, pause, rule_store
from linod_systemd.store.choices import CancelledBy
from linod_systemd.store.lookup import find_rule
from linod_systemd.store.next_due import local, next_run
from linod_systemd.tasks import Tasks

Options = argparse.Namespace


def about_rule(site: config.Site, options: Options) -> int:
    """``next`` and ``explain``."""
    if options.rules is not None:
        return answer(find_in_file(options.rules, options.rule), options)
    rule = find_rule(options.rule)
    try:
        recurrence = rule.recurrence()
    except RecurrenceError as error:  # a row that nobody judged when it was saved
        raise RefusedRule(f"rule {rule.name!r}: {error}", "correct the rule in the admin") from error
    last_start = rule_store.current().jobs(rule.name).last_start()
    return answer(Asked(rule.rule, recurrence, last_start, site.name), options)


def calendar(site: config.Site, options: Options) -> int:
    if options.rules is not None:
        return calendar_page.from_file(options)
    calendar_page.show(_entries(), rule_store.current().timezone, options)
    return 0


def _entries() -> Iterator[Entry]:
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
        yield calendar_page.entry(stored.rule, recurrence, pause.end_of(stored.name, paused), now)


def setup(site: config.Site, options: Options) -> int:
    say(f"{site.name}: {Tasks().setup()}")
    return write_rules(site, options)


def write_rules(site: config.Site, options: Options) -> int:
    written = export.export(site)
    print(f"{site.rules_file}: {'written' if written else 'up to date'}")
    return 0


def cancel(site: config.Site, options: Options) -> int:
    rule = find_rule(options.rule)
    Tasks().cancel_rule(rule, CancelledBy.PERSON)
    say(f"{rule.name}: cancelled; again: {config.command(site.name, 'enable', rule.name)}")
    return 0


def enable(site: config.Site, options: Options) -> int:
    rule = find_rule(options.rule)
    if not rule_store.current().enable(rule.name):
        say(f"{rule.name}: was not cancelled")
        return 0
    due = next_run(find_rule(rule.name))
    say(f"{rule.name}: enabled, {f'next run at {local(due)}' if due else 'never due by itself'}")
    return 0


def take_code(site: config.Site, options: Options) -> int:
    rule = find_rule(options.rule)
    found = rule_store.current().take_code(rule.name)
    for said in found:
        say(f"{rule.name}: taken from the code: {said}")
    if not found:
        say(f"{rule.name}: is as the code says")
    return 0


def simulate(site: config.Site, options: Options) -> int:
    from linod_systemd.cli.simulate import simulate as run_simulation

    return run_simulation(site, once=options.once)


def demo_data(site: config.Site, options: Options) -> int:
    from django.apps import apps

    if not apps.is_installed("linod_systemd.demo"):
        raise LinodError(f"the site {site.name!r} is not the demo site", "its data is yours to make")
    from linod_systemd.demo.data import demo_data as fill

    print(fill())
    return 0


def manage(site: config.Site, options: Options) -> int:
    from django.core.management import execute_from_command_line

    execute_from_command_line(["linod manage", *options.arguments])
    return 0


def supervise(site: config.Site, options: Options) -> int:
    from linod_systemd.supervisor.loop import supervise as serve

    return serve(site)


COMMANDS: dict[str, Callable[[config.Site, Options], int]] = {
    "status": status.status,
    "next": about_rule,
    "explain": about_rule,
    "calendar": calendar,
    "jobs": jobs.jobs,
    "show": jobs.show,
    "setup": setup,
    "export": write_rules,
    "cancel": cancel,
    "enable": enable,
    "take-code": take_code,
    "run": actions.run,
    "pause": actions.pause_rule,
    "resume": actions.resume,
    "simulate": simulate,
    "demo-data": demo_data,
    "manage": manage,
    "supervise": supervise,
    "record-end": lambda site, options: on_failure.record_end(site, options.rule),
}
