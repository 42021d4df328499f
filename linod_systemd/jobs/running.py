"""Lock a rule while it runs: one run at a time on this host. The lock ends with its process."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from linod_systemd import clock
from linod_systemd.common import files, host, unit_names
from linod_systemd.errors import AlreadyRunning, ConfigurationError
from linod_systemd.sites import config
from linod_systemd.store import rule_store


class IsRunning(Exception):
    """Another process, of this host or another, is running the rule."""


@contextlib.contextmanager
def lock_held(site: config.Site, rule: str) -> Iterator[None]:
    """Hold the lock of a rule.

    It is a record lock of fcntl(2): not inherited by what the job forks, and gone when the process is,
    whichever way it went.

    :raises IsRunning: where another process holds it.
    :raises ConfigurationError: where the state folder cannot be written.
    """
    config.ensure_directories(site)
    handle = _open(site, rule)
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise IsRunning(rule) from None
        yield
    finally:
        os.close(handle)


def is_locked(site: config.Site, rule: str) -> bool:
    """Whether another process of this host is running the rule. Asking takes the lock from nobody, and
    opens nothing to write, which would look like the end of a run (supervisor/lock_watch.py)."""
    try:
        handle = os.open(_path(site, rule), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        return files.holder(handle) != 0
    finally:
        os.close(handle)


def _path(site: config.Site, rule: str) -> Path:
    return site.lock_directory / unit_names.lock_file(rule)


def _open(site: config.Site, rule: str) -> int:
    path = _path(site, rule)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise ConfigurationError(
            f"the lock {path} cannot be opened ({error.strerror})",
            f"as root: chown -R {site.user} {site.state_directory}",
        ) from error


def remedy() -> str:
    """Return the remedy for a rule that is running already."""
    return (
        f"wait for its end: {config.command(rule_store.current().site.name, 'jobs', '--status', 'running')}"
    )


def error_for(rule: str) -> AlreadyRunning:
    """Return the error for a second start, which says when, how and where the first one began."""
    job = rule_store.current().jobs(rule).running().first()
    if job is None:  # it has begun in this moment, or its database is away
        return AlreadyRunning(f"the rule {rule!r} is already running", remedy())
    since = clock.from_database(job.start_datetime).isoformat(" ", "seconds")
    unit = "" if job.invocation_id else ", outside its unit"
    return AlreadyRunning(
        f"the rule {rule!r} is already running since {since}"
        f" (job #{job.pk}, trigger {job.trigger}{unit}, on {job.host})",
        remedy(),
    )


def check(site: config.Site, rule: str) -> None:
    """:raises AlreadyRunning: where a run of the rule has not ended, on this host or another."""
    elsewhere = rule_store.current().jobs(rule).running().exclude(host=host.host_name())
    if is_locked(site, rule) or elsewhere.exists():
        raise error_for(rule)
