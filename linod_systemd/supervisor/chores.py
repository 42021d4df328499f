"""The supervisor's chores: set up rules; keep rows, rules.json and systemd in step.

Each of these runs in a fork, so that the supervisor itself holds no connection to a database.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import DatabaseError

from linod_systemd import clock
from linod_systemd.common import unit_names
from linod_systemd.errors import LinodError
from linod_systemd.jobs import (
    backfilling,
    consequences,
    health,
    mail_sender,
    missed_after,
    reconcile,
    rerun,
    running,
    skipped,
    unrecorded_starts,
)
from linod_systemd.rules import slot
from linod_systemd.sites import config, requests
from linod_systemd.store import database, export, rule_store
from linod_systemd.store.rule_store import StoredRule
from linod_systemd.supervisor.report import Report
from linod_systemd.systemd import systemctl
from linod_systemd.tasks import Tasks

logger = logging.getLogger("linod.supervisor")

YOUNGEST_REQUEST = timedelta(seconds=10)  # from “run now” to the start of its unit
OLDEST_REQUEST = timedelta(days=1)


def do(site: config.Site, name: str) -> Report:
    """Do one of ``CHORES``. The timers go on without it: what is wrong is told, not raised."""
    try:
        with contextlib.nullcontext() if name == "send_mails" else database.reachable(site):
            return CHORES[name](site)
    except (LinodError, DatabaseError, OSError) as error:
        return Report(error=str(error))


def set_up(site: config.Site) -> Report:
    """Make the rules, and find what was missed while nobody looked."""
    return _set_up(site, revive=True)


def set_up_again(site: config.Site) -> Report:
    """Make the rules after a reload, which brings back no rule that a failure cancelled."""
    return _set_up(site, revive=False)


def _set_up(site: config.Site, *, revive: bool) -> Report:
    changes = Tasks().setup(revive=revive)
    logger.info("site %s: %s", site.name, changes)
    for name in changes.left_cancelled:
        logger.warning("%s: still cancelled. %s", name, consequences.way_back(site, name))
    export.export(site)
    is_complete = _end_all_rows(site)
    rerun.request(site)
    _request_owed(site)
    _note_missed()
    return Report(status_line(site), is_complete=is_complete)


def check(site: config.Site) -> Report:
    """Compare, and mend."""
    rule_store.current().refresh()
    if export.export(site):
        logger.info("site %s: rules.json was out of date", site.name)
    is_complete = _end_all_rows(site)
    _request_again(site)
    _request_owed(site)
    missed_after.tell(site)
    return Report(status_line(site), is_complete=is_complete)


def _request_again(site: config.Site) -> None:
    """Request runs again that were not started: a process may have died before it left its request.

    A unit that was started since, whatever has become of it, is not started again.
    """
    now = clock.utc_now()
    for rule in rule_store.current().requested():
        asked = rule.requested_at
        if asked is None or not now - OLDEST_REQUEST < asked < now - YOUNGEST_REQUEST:
            continue
        if running.is_locked(site, rule.name):
            continue
        if _was_started_since(site, rule, asked):
            rule_store.current().withdraw(rule.name)
            continue
        logger.warning("%s: a run was asked for and has not begun; it is asked for again", rule.name)
        requests.request_run(site, rule.name)


def _request_owed(site: config.Site) -> None:
    """Have slots tried again whose run could not help its end, and tell of those that were never run; and
    have past slots run on that a person asked for."""
    backfilling.request_left(site)
    for job in rerun.request_owed(site):
        consequences.tell_never_run(job)


def _was_started_since(site: config.Site, rule: StoredRule, asked: datetime) -> bool:
    """By its jobs, or by systemd: that knows of one which died before it wrote a row, as its unit failed."""
    last = rule_store.current().jobs(rule.name).last_start()
    if last is None or last < asked:
        unit = unit_names.service(site.unit_prefix, rule.name)
        last = systemctl.timestamp(unit, "InactiveExitTimestamp") if systemctl.is_running() else None
    return last is not None and last >= asked


def send_mails(site: config.Site) -> Report:
    """Send the mails that wait; the database may be the one that they are about."""
    return Report(error=mail_sender.send(site, only_due=True))


def end_rows(site: config.Site) -> Report:
    """End the rows of jobs that have ended without."""
    return Report(is_complete=reconcile.reconcile(site))


def _end_all_rows(site: config.Site) -> bool:
    """End the rows of jobs whose process is gone, and write the missing row of each start that has none."""
    is_complete = reconcile.reconcile(site)
    unrecorded_starts.account_for(site)
    return is_complete


def look_back(site: config.Site) -> Report:
    """Note what was missed right before the supervisor started, once it can't be about to start any more."""
    unrecorded_starts.account_for(site)
    _note_missed()
    return Report()


def _note_missed() -> None:
    """For rules that don't make up for it; those that do look back as they run."""
    until = clock.utc_now() - slot.PROMPT  # what has just come may be about to start
    for rule in rule_store.current().rules():
        if not rule.rule.cancelled and not rule.rule.makes_up:
            skipped.note(rule, until)


def status_line(site: config.Site) -> str:
    """Return the line that ``systemctl status`` shows to every user of the host: numbers alone.

    Example: ``7 rules, 1 cancelled, 0 running, 1 in trouble, last failure: job #12``.
    """
    source = rule_store.current()
    found = health.of_site(site)
    rules = [one.rule for one in found.rules]
    cancelled = sum(rule.rule.cancelled for rule in rules)
    last = source.jobs().failures().defer("message").first()
    failed = f"job #{last.pk}" if last else "none"
    count = source.jobs().running().count()
    trouble = f"{len(found.troubles)} in trouble, " if found.troubles else ""
    return f"{len(rules)} rules, {cancelled} cancelled, {count} running, {trouble}last failure: {failed}"


CHORES: dict[str, Callable[[config.Site], Report]] = {
    "set_up": set_up,
    "set_up_again": set_up_again,
    "look_back": look_back,
    "check": check,
    "end_rows": end_rows,
    "send_mails": send_mails,
}
