"""A child that does the supervisor's housekeeping, and what it has to tell."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from dataclasses import asdict

from linod_systemd.forkserver import fork
from linod_systemd.sites import config, load
from linod_systemd.supervisor import memory
from linod_systemd.supervisor.report import Report

LONGEST = 60_000  # what a pipe takes without being read


class Chore:
    """One of housekeeping.CHORES in a fork; to be ended by ``report()``, once it is reaped."""

    def __init__(self, site: config.Site, name: str, close: Iterable[int], until: float) -> None:
        """:raises OSError: where the kernel refuses.

        :param close: the descriptors of the supervisor.
        :param until: when it hangs (monotonic seconds).
        """
        self.name = name
        self.until = until
        self._pipe, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self.process = fork.fork(lambda: _do(site, name, writing), [*close, self._pipe])
        finally:
            os.close(writing)

    def report(self) -> Report:
        """What it has told, or that it ended before."""
        try:
            text = os.read(self._pipe, LONGEST)
        finally:
            os.close(self._pipe)
        if not text:
            return Report(error=f"{self.name} ended before its time: see the journal of the supervisor")
        return Report(**json.loads(text))

    def give_up(self, until: float) -> None:
        """End it; it is still to be reaped."""
        os.kill(self.process, signal.SIGKILL)
        self.until = until


def _do(site: config.Site, name: str, pipe: int) -> int:
    if not site.preload:
        load.load(site)
    from linod_systemd.supervisor import chores  # Django, which is loaded by now

    report = chores.do(site, name)
    if name != "settle":
        memory.note_fork(site)
    os.write(pipe, json.dumps(asdict(report)).encode()[:LONGEST])
    return 0
