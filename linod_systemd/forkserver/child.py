"""Run a job in a fork of the supervisor: it joins its client's unit, then runs as linod-run does.

The fork moves into the control group of its client's unit (docs/systemd-facts.md, 31). The other side of the
protocol is client.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from linod_systemd.common import unit_names
from linod_systemd.common.logfile import LinoLogHandler
from linod_systemd.errors import LinodError
from linod_systemd.forkserver import adopt, client, sandbox, tmpdir
from linod_systemd.forkserver.sandbox import Own
from linod_systemd.jobs import spool
from linod_systemd.sites import config, load, load_effects
from linod_systemd.systemd import cgroup, journal
from linod_systemd.systemd.dbus import Bus

REQUEST_SECONDS = 5.0
PR_SET_NAME = 15
STREAMS = 3

_libc = ctypes.CDLL(None, use_errno=True)


class Refused(LinodError):
    """A request that is not served; its client runs the job cold."""


@dataclass(frozen=True)
class Caller:
    """A client, and the supervisor's ear: called when the job has begun, and when its row has its end."""

    connection: socket.socket
    process: int
    tell_started: Callable[[], None]
    tell_ended: Callable[[str], None]


def serve(site: config.Site, caller: Caller, supervisors: Own) -> int:
    """Run the job that the client asks for; the exit code of this process.

    :param supervisors: what the supervisor was started with.
    """
    try:
        rule = _prepare(site, caller, supervisors)
    except (LinodError, OSError, ValueError) as error:
        with contextlib.suppress(OSError):  # a client that is gone needs no answer
            caller.connection.send(f"no {error}".encode()[: client.LONGEST])
        return 0
    try:
        caller.connection.send(b"ready %d" % os.getpid())
        caller.connection.settimeout(client.TURN_SECONDS)
        if caller.connection.recv(client.LONGEST) != b"go":
            return 0
        caller.connection.settimeout(None)
        caller.connection.send(b"started")
    except ConnectionError:  # the client is gone
        return 0
    return _run(site, rule, caller)


def _prepare(site: config.Site, caller: Caller, supervisors: Own) -> str:
    """Become what the client is, in its unit; the rule.

    :raises LinodError: where that cannot be.
    :raises OSError: where the client is gone.
    """
    caller.connection.settimeout(REQUEST_SECONDS)
    request, streams, _, _ = socket.recv_fds(caller.connection, client.LONGEST, STREAMS)
    protocol, *told = os.fsdecode(request).split("\0")
    if protocol != os.fsdecode(client.PROTOCOL) or len(told) != 2 or len(streams) != STREAMS:
        raise Refused("the supervisor runs another version: systemctl reload it")
    rule, directory = told
    unit = unit_names.service(site.unit_prefix, rule)
    if not cgroup.is_in(unit, str(caller.process)):
        raise Refused(f"it is not asked for by {unit}")
    if supervisors.is_outdated():
        raise Refused(f"{supervisors.unit} was started before its unit was changed")
    with Bus(per_user=cgroup.is_per_user()) as bus:
        if other := sandbox.differences(bus, supervisors, unit):
            raise Refused(f"its unit says otherwise than the supervisor's: {', '.join(other)}")
        bus.attach(unit, os.getpid())
    adopt.take_on(caller.process, directory)
    cgroup.expect_process(caller.process)
    load.add_own_environment(site)
    load_effects.effects.repeat()
    tmpdir.make()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    _libc.prctl(PR_SET_NAME, os.fsencode(rule)[:15], 0, 0, 0)
    return rule


def _run(site: config.Site, rule: str, caller: Caller) -> int:
    from linod_systemd.runner import surroundings
    from linod_systemd.runner.execute import execute  # Django, which the supervisor has loaded by now

    caller.tell_started()
    _forget_supervisors_log()
    surroundings.settle(rule)
    try:
        code = execute(site, rule, warm=True)
    except LinodError as error:
        print(f"linod-run: {error}", file=sys.stderr)
        return error.exit_code  # its row, if there is one, is for the supervisor to look at
    if not spool.waiting(site):  # or its end may be in there, and the database is to be asked again soon
        caller.tell_ended(rule)
    return code


def _forget_supervisors_log() -> None:
    """Leave the root logger as the site has configured it."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, LinoLogHandler | journal.Handler):
            root.removeHandler(handler)
    root.setLevel(load_effects.effects.log_level)
