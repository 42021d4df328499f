"""The page of one job: how far it is, what it logs, and how it compares with the runs before it."""

from __future__ import annotations

from typing import Any

from linod_systemd import clock
from linod_systemd.common import unit_names
from linod_systemd.common.text import visible
from linod_systemd.jobs import logged, pace
from linod_systemd.pages import bars, words
from linod_systemd.sites import config
from linod_systemd.store import rule_store, spans
from linod_systemd.store.choices import Status
from linod_systemd.store.job import Job


def context(job: Job) -> dict[str, Any]:
    """Return the template's values."""
    source = rule_store.current()
    is_running = job.status == Status.RUNNING
    others = source.jobs().first_few_of_each([job.rule_name], pace.LOOKED_AT).get(job.rule_name, [])
    return {
        "job": job,
        "is_running": is_running,
        "badge": words.badge(words.kind(job), job.status),
        "log": visible(job.message or (logged.text(source.site, job) if is_running else "")),
        "facts": [(name, value) for name, value in _facts(job, others).items() if value],
        "bars": bars.drawn(others),
        "commands": _commands(job),
    }


def _facts(job: Job, others: list[Job]) -> dict[str, Any]:
    began = clock.from_database(job.start_datetime)
    seconds = job.seconds
    if seconds is None:
        seconds = (clock.utc_now() - began).total_seconds()
    warm = "warm" if job.warm else "cold"
    return {
        "began": words.moment(began),
        "ended": words.moment(clock.from_database(job.end_datetime)) if job.end_datetime else "",
        "took" if job.end_datetime else "has run for": _compared(seconds, pace.usual_seconds(others)),
        "slot": words.moment(job.slot) if job.slot else "",
        "trigger": f"{job.trigger}, attempt {job.attempt}" if job.attempt > 1 else job.trigger,
        "CPU": "" if job.cpu_seconds is None else spans.duration(job.cpu_seconds),
        "memory": "" if job.memory_peak is None else f"{job.memory_peak / 2**20:.0f} MiB",
        "host": job.host,
        "unit": f"{_unit(job)} ({warm})" if job.invocation_id else "none: it was run outside of its unit",
        "exit code": "" if job.exit_code is None else str(job.exit_code),
    }


def _compared(seconds: float, usual: float | None) -> str:
    """``12.0 s; usually 4.0 s (3.0 ×)``."""
    said = spans.duration(seconds)
    if not usual:
        return said
    return f"{said}; usually {spans.duration(usual)} ({seconds / usual:.1f} ×)"


def _unit(job: Job) -> str:
    return unit_names.service(rule_store.current().site.unit_prefix, job.rule_name)


def _commands(job: Job) -> list[str]:
    """The lines to type for more."""
    site = rule_store.current().site.name
    found = [config.command(site, "show", str(job.pk)), config.command(site, "jobs", job.rule_name)]
    if job.invocation_id:
        found.append(f"journalctl _SYSTEMD_INVOCATION_ID={job.invocation_id}")
    return found
