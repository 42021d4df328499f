"""Read rules.json for root in a child that is the site's user, bounded in time and size; trust nothing."""

from __future__ import annotations

import json
import os
import pwd
import re
import resource
import select
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from linod_systemd.common import files
from linod_systemd.errors import ConfigurationError, LinodError, RefusedRule
from linod_systemd.rules import rules_file
from linod_systemd.rules.rule import RuleSet
from linod_systemd.rules.rules_file import MOST_BYTES
from linod_systemd.sites import config, requests, site_user
from linod_systemd.sites.requests import Taken
from linod_systemd.units import compute_timers
from linod_systemd.units.compute_timers import Computed, Timing

MOST_SECONDS = 10.0
# Of the child that computes: seconds of the clock and of the processor, bytes of memory and of its answer.
RECKON_SECONDS = 90.0
MOST_CPU_SECONDS = 60
MOST_MEMORY = 2 * 2**30
MOST_ANSWER_BYTES = 64 * 2**20
# A calendar's words are letters, digits and these signs; a zone may have a plus (systemd.time(7)).
TIMER_LINE = re.compile(r"On(?:Calendar|BootSec|UnitActiveSec)=[A-Za-z0-9 *.,:/~_+-]{1,20000}")
Send = Callable[[config.Site, int], int]
SETTLE_SECONDS = 0.2  # many changes in a row come as one
FINE, MISSING, REFUSED = 0, 3, 4


def take(site: config.Site) -> Taken:
    """Take the requests of a site, once those that come with them are there, too.

    :raises ConfigurationError: where that does not end in time.
    """
    text = _as_user(site, _send_requests, site.request_directory)
    try:
        taken = Taken(**json.loads(text or "{}"))
        taken.stop = [(invocation_id, rule) for invocation_id, rule in taken.stop]
        _check_texts(taken.run, [rule for _, rule in taken.stop], taken.troubles, taken.stuck)
        if not all(requests.INVOCATION_ID.fullmatch(invocation_id) for invocation_id, _ in taken.stop):
            raise ValueError("no invocation")
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{site.request_directory} cannot be taken ({error!s:.200})", f"remove what {site.user} put there"
        ) from error
    return taken


def _check_texts(*lists: object) -> None:
    """:raises ValueError: for what the child of another user should not have sent."""
    for texts in lists:
        if not isinstance(texts, list) or len(texts) > requests.MOST + 1:
            raise ValueError("no list, or too long a one")
        if not all(isinstance(text, str) and len(text) <= requests.LONGEST for text in texts):
            raise ValueError("no text, or too long a one")


def read_rules(site: config.Site) -> RuleSet | None:
    """The rules of a site, or None where it has not written any yet.

    :raises ConfigurationError: where the file is no plain file, too big, unreadable or another site's.
    :raises RulesFileError: for a file that as a whole says nothing usable.
    """
    text = _as_user(site, _send_rules, site.rules_file)
    if text is None:
        return None
    export = config.command(site.name, "export")
    return _of_site(site, rules_file.parse(text, str(site.rules_file), export))


def computed(
    site: config.Site, installed: Mapping[str, str], now: datetime, file: Path | None = None
) -> Computed | None:
    """The rules of a site and when they are due; None where it has not written any yet.

    The child reads, judges and computes them, with limits of time and memory. This process judges the rules
    once more, and takes of the child the lines of the timers alone.

    :param installed: its timers as they are (compute_timers.of_rules).
    :param file: a rules.json that somebody named, in the place of the site's; the child stays this user then.
    :raises ConfigurationError, RulesFileError: as :func:`read_rules`.
    """
    path = file or site.rules_file

    def send(site: config.Site, pipe: int) -> int:
        return _send_computed(site, path, installed, now, pipe)

    account = None if file else _account(site)
    text = _in_child(site, send, path, account, RECKON_SECONDS, MOST_ANSWER_BYTES)
    return None if text is None else _taken(site, text, str(path))


def _of_site(site: config.Site, rules: RuleSet) -> RuleSet:
    if rules.site != site.name:
        raise ConfigurationError(
            f"{site.rules_file} is of the site {rules.site!r:.80}, not {site.name!r}",
            f"write it anew: {config.command(site.name, 'export')}",
        )
    return rules


def _taken(site: config.Site, text: str, source: str) -> Computed:
    """Read the child's answer; the lines of timers in it can only name times."""
    unusable = f"what was computed from {source} is unusable"
    try:
        answer = json.loads(text)
        rules = _of_site(site, rules_file.parse(answer["rules"], source, config.command(site.name, "export")))
        timings = {name: _timing(*values) for name, values in answer["timings"].items()}
        refused = [
            RefusedRule(str(message)[:1000], str(remedy)[:200]) for message, remedy in answer["refused"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"{unusable} ({error!s:.200})", "run it again") from error
    return Computed(rules, timings, tuple(refused))


def _timing(now: str, lines: list[str], relisted: bool) -> Timing:
    """:raises ValueError: for lines that no timer of ours has."""
    for line in lines:
        if not TIMER_LINE.fullmatch(line):
            raise ValueError(f"{line!r:.80} is no line of a timer")
    instant = datetime.fromisoformat(now)
    if instant.tzinfo is None:
        raise ValueError(f"{now!r:.80} has no offset")
    return Timing(instant, tuple(lines), bool(relisted))


def _as_user(site: config.Site, send: Send, place: Path) -> str | None:
    """Fork, let the child become the user and read, and take what it sends.

    :param place: what it reads, for errors.
    """
    return _in_child(site, send, place, _account(site), MOST_SECONDS, MOST_BYTES)


def _account(site: config.Site) -> pwd.struct_passwd | None:
    """The account that the child is to become; None: it stays this user."""
    return site_user.account_of(site) if os.geteuid() == 0 else None


def _in_child(
    site: config.Site,
    send: Send,
    place: Path,
    account: pwd.struct_passwd | None,
    seconds: float,
    most_bytes: int,
) -> str | None:
    rules_file.get_ready()
    reading, writing = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        code = REFUSED
        try:
            os.close(reading)
            _leave_the_terminal()
            if account is not None and account.pw_uid != 0:
                site_user.drop_privileges(account)
            code = send(site, writing)
        finally:
            os._exit(code)
    os.close(writing)
    try:
        data, in_time = _receive(reading, seconds, most_bytes)
    finally:
        os.close(reading)
        if not _ended(child):
            os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    problem = ""
    if not in_time:
        problem = f"did not come within {seconds:.0f} s"
    elif len(data) > most_bytes:
        problem = f"is larger than {most_bytes} bytes"
    elif -code in (signal.SIGXCPU, signal.SIGKILL):
        problem = "takes too long to compute: it was given up"
    return _judged(site, place, data, code, problem)


def _leave_the_terminal() -> None:
    """In the child: none of root's streams stays open in a process of another user."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)


def _judged(site: config.Site, place: Path, data: bytes, code: int, problem: str) -> str | None:
    if code == MISSING:
        return None
    if code != FINE:
        problem = problem or data.decode("utf-8", "replace")[:300] or "cannot be read"
    if problem:
        raise ConfigurationError(
            f"{place} {problem}",
            f"it must be a plain file that {site.user} wrote: {config.command(site.name, 'export')}",
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        remedy = config.command(site.name, "export")
        raise ConfigurationError(f"{place} is no UTF-8 ({error})", remedy) from error


def _send_requests(site: config.Site, pipe: int) -> int:
    """In the child: take the requests, and send them."""
    time.sleep(SETTLE_SECONDS)
    os.write(pipe, json.dumps(asdict(requests.take(site.request_directory))).encode())
    return FINE


def _send_rules(site: config.Site, pipe: int) -> int:
    """In the child: send the content of rules.json, or the error in its place."""
    return _send_file(site, site.rules_file, pipe, lambda content: content)


def _send_computed(
    site: config.Site, path: Path, installed: Mapping[str, str], now: datetime, pipe: int
) -> int:
    """In the child: its content, and the lines of the timers that follow from it."""
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_SECONDS, MOST_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def answer(content: bytes) -> bytes:
        text = content.decode()
        try:
            rules = rules_file.parse(text, str(path))
        except LinodError:  # which the other process will find, too, and tell
            return json.dumps({"rules": text, "timings": {}, "refused": []}).encode()
        found = compute_timers.of_rules(site, rules, installed, now)
        timings = {
            name: (one.now.isoformat(), one.lines, one.relisted) for name, one in found.timings.items()
        }
        refused = [(error.message, error.remedy) for error in found.refused]
        return json.dumps({"rules": text, "timings": timings, "refused": refused}).encode()

    return _send_file(site, path, pipe, answer)


def _send_file(site: config.Site, path: Path, pipe: int, answer: Callable[[bytes], bytes]) -> int:
    """In the child: send the answer that a file's content gives, or the error in its place."""
    try:
        data = answer(files.read_plain(path, MOST_BYTES, follow=path != site.rules_file))
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        os.write(pipe, f"cannot be read as {site.user} ({error.strerror}: {error.filename})".encode())
        return REFUSED
    except UnicodeDecodeError as error:
        os.write(pipe, f"is no UTF-8 ({error})".encode())
        return REFUSED
    except (ValueError, MemoryError, LinodError) as error:
        os.write(pipe, str(error).encode("utf-8", "backslashreplace")[:1000])
        return REFUSED
    while data:
        data = data[os.write(pipe, data) :]
    return FINE


def _receive(pipe: int, seconds: float, most_bytes: int) -> tuple[bytes, bool]:
    """Return the bytes that came before the end, the size or the time ran out; whether they came in time."""
    deadline = time.monotonic() + seconds
    data = bytearray()
    while len(data) <= most_bytes:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return bytes(data), False
        part = os.read(pipe, 65536)
        if not part:
            break
        data += part
    return bytes(data), True


def _ended(child: int) -> bool:
    """Whether the child ends by itself within the patience of a second."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.001)
    return False
