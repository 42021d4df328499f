"""Root reads rules.json: as the site's user, bounded in time and size, trusting nothing of it."""

from __future__ import annotations

import json
import os
import select
import signal
import stat
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from linod_systemd import conf, desired, identity, request_folder
from linod_systemd.errors import ConfigurationError
from linod_systemd.request_folder import Taken
from linod_systemd.rule import RuleSet

MOST_BYTES = 16 * 2**20
MOST_SECONDS = 10.0
SETTLE_SECONDS = 0.2  # many changes in a row come as one
FINE, MISSING, REFUSED = 0, 3, 4


def take(site: conf.Site) -> Taken:
    """Take the requests of a site, once those that come with them are there, too.

    :raises ConfigurationError: where that does not end in time.
    """
    text = _as_user(site, _send_requests, site.request_directory)
    try:
        taken = Taken(**json.loads(text or "{}"))
        _check_texts(taken.run, taken.troubles, taken.stuck)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{site.request_directory} cannot be taken ({error!s:.200})", f"remove what {site.user} put there"
        ) from error
    return taken


def _check_texts(*lists: object) -> None:
    """:raises ValueError: for what the child of another user should not have sent."""
    for texts in lists:
        if not isinstance(texts, list) or len(texts) > request_folder.MOST + 1:
            raise ValueError("no list, or too long a one")
        if not all(isinstance(text, str) and len(text) <= request_folder.LONGEST for text in texts):
            raise ValueError("no text, or too long a one")


def read_rules(site: conf.Site) -> RuleSet | None:
    """The rules of a site, or None where it has not written any yet.

    :raises ConfigurationError: where the file is no plain file, too big, unreadable or another site's.
    :raises RulesFileError: for a file that as a whole says nothing usable.
    """
    text = _as_user(site, _send_rules, site.rules_file)
    if text is None:
        return None
    rules = desired.parse(text, str(site.rules_file))
    if rules.site != site.name:
        raise ConfigurationError(
            f"{site.rules_file} is of the site {rules.site!r}, not {site.name!r}",
            "write it anew: linod export",
        )
    return rules


def _as_user(site: conf.Site, send: Callable[[conf.Site, int], int], place: Path) -> str | None:
    """Fork, let the child become the user and read, and take what it sends.

    :param place: what it reads, for errors.
    """
    account = identity.account_of(site) if os.geteuid() == 0 else None
    reading, writing = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        code = REFUSED
        try:
            os.close(reading)
            _leave_the_terminal()
            if account is not None and account.pw_uid != 0:
                identity.drop_privileges(account)
            code = send(site, writing)
        finally:
            os._exit(code)
    os.close(writing)
    try:
        data, in_time = _receive(reading)
    finally:
        os.close(reading)
        if not _ended(child):
            os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return _judged(site, place, data, code, in_time)


def _leave_the_terminal() -> None:
    """In the child: none of root's streams stays open in a process of another user."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)


def _judged(site: conf.Site, place: Path, data: bytes, code: int, in_time: bool) -> str | None:
    if code == MISSING:
        return None
    problem = ""
    if not in_time:
        problem = f"did not come within {MOST_SECONDS:.0f} s"
    elif len(data) > MOST_BYTES:
        problem = f"is larger than {MOST_BYTES} bytes"
    elif code != FINE:
        problem = data.decode("utf-8", "replace")[:300] or "cannot be read"
    if problem:
        raise ConfigurationError(
            f"{place} {problem}", f"it must be a plain file that {site.user} wrote: linod export"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{place} is no UTF-8 ({error})", "linod export") from error


def _send_requests(site: conf.Site, pipe: int) -> int:
    """In the child: what was asked for."""
    time.sleep(SETTLE_SECONDS)
    os.write(pipe, json.dumps(asdict(request_folder.take(site.request_directory))).encode())
    return FINE


def _send_rules(site: conf.Site, pipe: int) -> int:
    """In the child: the content, or in its place what is wrong."""
    try:
        handle = os.open(site.rules_file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.write(pipe, b"is no plain file")
            return REFUSED
        sent = 0
        while sent <= MOST_BYTES and (data := os.read(handle, 65536)):
            sent += len(data)
            while data:
                data = data[os.write(pipe, data) :]
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        os.write(pipe, f"cannot be read as {site.user} ({error.strerror}: {error.filename})".encode())
        return REFUSED
    return FINE


def _receive(pipe: int) -> tuple[bytes, bool]:
    """What came before the end, the size or the time ran out; whether it was in time."""
    deadline = time.monotonic() + MOST_SECONDS
    data = b""
    while len(data) <= MOST_BYTES:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return data, False
        part = os.read(pipe, 65536)
        if not part:
            break
        data += part
    return data, True


def _ended(child: int) -> bool:
    """Whether the child ends by itself within the patience of a second."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.001)
    return False
