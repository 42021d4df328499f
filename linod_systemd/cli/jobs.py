"""List jobs (``linod jobs``), and show one with its message (``linod show``)."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from datetime import datetime, timedelta
from typing import Any

from linod_systemd import clock
from linod_systemd.cli import output
from linod_systemd.cli.output import print_table, say
from linod_systemd.common.text import visible_line
from linod_systemd.errors import NoSuchRule
from linod_systemd.sites import config
from linod_systemd.store import database, rule_store
from linod_systemd.store.choices import Status, Trigger
from linod_systemd.store.job import Job, JobQuerySet
from linod_systemd.store.lookup import find_rule
from linod_systemd.store.next_due import local, site_time
from linod_systemd.systemd import journal_client

LOOK_SECONDS = 1.0  # until --follow looks again
OVERLAP = timedelta(seconds=10)


def jobs(site: config.Site, options: argparse.Namespace) -> int:
    """List jobs, latest first, by the options of ``linod jobs``.

    :raises NoSuchRule: for a rule, status or trigger that there is not.
    """
    found = rule_store.current().jobs(options.rule)
    if options.rule and not found.exists():
        find_rule(options.rule)  # a rule that has not run yet is no error, a misspelt one is
    for field, words in (("status", Status.values), ("trigger", Trigger.values)):
        if wanted := getattr(options, field):
            if wanted not in words:
                raise NoSuchRule(f"no job has the {field} {wanted!r}", f"use one of {', '.join(words)}")
            found = found.filter(**{field: wanted})
    if options.since:
        found = found.filter(start_datetime__gte=clock.to_database(site_time(options.since)))
    if options.follow:
        return _follow(found, options)
    if options.export:
        for job in found.oldest_first():
            output.give_json(job_as_json(job), in_one_line=True)
        return 0
    rows = list((found if options.json else found.defer("message"))[: options.n])
    left = found.count() - len(rows) if len(rows) == options.n else 0
    if options.json:
        output.give_json([job_as_json(job) for job in rows])
        return 0
    used = ("how", "CPU", "memory") if options.verbose else ()
    columns = ("job", "rule", "start", "seconds", *used, "status", "trigger", "reason")
    print_table(columns, [_job_cells(job, options.verbose) for job in rows], empty="no job has run yet")
    if left:
        sys.stdout.flush()
        more = f"{left} earlier job{' is' if left == 1 else 's are'} not shown"
        print(f"{more}; more: -n {10 * options.n}; all: --export", file=sys.stderr)
    return 0


def _follow(found: JobQuerySet, options: argparse.Namespace) -> int:
    """Print the last jobs, oldest first, and each further one once it has ended; until Ctrl-C."""
    ended = found.exclude(status=Status.RUNNING)
    lately = list(ended[: options.n])[::-1]
    told: dict[int, datetime] = {}
    since = clock.now()
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            for job in lately:
                _print_line(job, options)
                told[job.pk] = job.end_datetime or since
            # An end may be written a little later than it says.
            told = {pk: end for pk, end in told.items() if end >= since - OVERLAP}
            time.sleep(LOOK_SECONDS)
            database.connection().close_if_unusable_or_obsolete()
            now = clock.now()
            fresh = ended.filter(end_datetime__gte=since - OVERLAP).exclude(pk__in=told)
            lately, since = list(fresh.order_by("end_datetime", "pk")), now
    return 0


def _print_line(job: Job, options: argparse.Namespace) -> None:
    if options.json:
        output.give_json(job_as_json(job), in_one_line=True)
        return
    print("  ".join(visible_line(cell) for cell in _job_cells(job, options.verbose)), flush=True)


def _job_cells(job: Job, verbose: bool) -> tuple[str, ...]:
    took = "" if job.seconds is None else f"{job.seconds:.2f}"
    start = local(clock.from_database(job.start_datetime))
    used = _used(job) if verbose else ()
    return (str(job.pk), job.rule_name, start, took, *used, job.status, job.trigger, job.remark)


def _used(job: Job) -> tuple[str, str, str]:
    """Return ``warm`` or ``cold``, the CPU time and the peak of memory; empty where not known."""
    cpu = "" if job.cpu_seconds is None else f"{job.cpu_seconds:.3f} s"
    memory = "" if job.memory_peak is None else f"{job.memory_peak / 2**20:.1f} MiB"
    return ("warm" if job.warm else "cold", cpu, memory)


def job_as_json(job: Job) -> dict[str, Any]:
    """Return a job as JSON has it, with its message if that was read with the row."""

    def moment(value: Any) -> str | None:
        return clock.from_database(value).isoformat() if value else None

    return {
        "id": job.pk,
        "rule": job.rule_name,
        "start_datetime": moment(job.start_datetime),
        "end_datetime": moment(job.end_datetime),
        "status": job.status,
        "reason": job.reason,
        "trigger": job.trigger,
        "scheduled_for": job.slot.isoformat() if job.slot else None,
        "attempt": job.attempt,
        "invocation_id": job.invocation_id,
        "host": job.host,
        "exit_code": job.exit_code,
        "warm": job.warm,
        "cpu_seconds": job.cpu_seconds,
        "memory_peak": job.memory_peak,
        "progress": {"done": job.progress_done, "total": job.progress_total, "text": job.progress_text},
    } | ({} if "message" in job.get_deferred_fields() else {"message": job.message})


def show(site: config.Site, options: argparse.Namespace) -> int:
    """Show one job with its message.

    :raises NoSuchRule: where there is no job of this number.
    """
    job = rule_store.current().jobs().filter(pk=options.job).first()
    if job is None:
        raise NoSuchRule(f"there is no job #{options.job}", f"see: {config.command(site.name, 'jobs')}")
    values = job_as_json(job)
    values["printed"] = (
        journal_client.printed_of_invocation(site, job.invocation_id) if job.invocation_id else ""
    )
    if options.json:
        output.give_json(values)
        return 0
    message, printed = values.pop("message"), values.pop("printed")
    for key, value in values.items():
        if value not in (None, ""):
            say(f"{key + ':':16} {visible_line(str(value))}")
    if message:
        say("\n" + message)
    if printed:
        say("\nWhat it printed:\n" + printed)
    if job.invocation_id:
        print(f"\njournalctl _SYSTEMD_INVOCATION_ID={job.invocation_id}")
    return 0
