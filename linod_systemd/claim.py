"""One run of a rule at a time on this host: a lock that ends with the process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from linod_systemd import conf, files, unitnames
from linod_systemd.errors import ConfigurationError


class Claimed(Exception):
    """Another process, of this host or another, is running the rule."""


@contextlib.contextmanager
def claimed(site: conf.Site, rule: str) -> Iterator[None]:
    """Hold the claim of a rule.

    It is a record lock of fcntl(2): not inherited by what the job forks, and gone when the process is,
    whichever way it went.

    :raises Claimed: where another process holds it.
    :raises ConfigurationError: where the state folder cannot be written.
    """
    conf.ensure_directories(site)
    handle = _open(site, rule)
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Claimed(rule) from None
        yield
    finally:
        os.close(handle)


def is_claimed(site: conf.Site, rule: str) -> bool:
    """Whether another process of this host is running the rule. Asking takes the claim from nobody, and
    opens nothing to write, which would look like the end of a claim (watch.py)."""
    try:
        handle = os.open(_path(site, rule), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        return files.holder(handle) != 0
    finally:
        os.close(handle)


def _path(site: conf.Site, rule: str) -> Path:
    return site.lock_directory / unitnames.lock_file(rule)


def _open(site: conf.Site, rule: str) -> int:
    path = _path(site, rule)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise ConfigurationError(
            f"the lock {path} cannot be opened ({error.strerror})",
            f"as root: chown -R {site.user} {site.state_directory}",
        ) from error
