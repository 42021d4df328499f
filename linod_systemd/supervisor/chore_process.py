"""The supervisor's chores, one at a time, each in a fork that tells its report by a pipe."""

from __future__ import annotations

import json
import logging
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import asdict

from linod_systemd.errors import LinodError
from linod_systemd.forkserver import fork
from linod_systemd.sites import config, load
from linod_systemd.supervisor import memory
from linod_systemd.supervisor.chore_schedule import SET_UPS, ChoreSchedule
from linod_systemd.supervisor.lock_watch import LockWatch
from linod_systemd.supervisor.report import Report

logger = logging.getLogger("linod.supervisor")

CHORE_SECONDS = 240.0  # more than a check ever takes: it hangs
LONGEST = 60_000  # what a pipe takes without being read


class Chore:
    """One of chores.CHORES in a fork; to be ended by ``report()``, once it is reaped."""

    def __init__(self, site: config.Site, name: str, close: Iterable[int]) -> None:
        """:raises OSError: where the kernel refuses.

        :param close: the descriptors of the supervisor.
        """
        self.site = site
        self.name = name
        self.until = time.monotonic() + CHORE_SECONDS  # when it hangs
        self._pipe, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            self.process = fork.fork(lambda: _do(site, name, writing), [*close, self._pipe])
        finally:
            os.close(writing)

    def report(self) -> Report:
        """Return its report, or an error where it ended before it could report."""
        try:
            text = os.read(self._pipe, LONGEST)
        finally:
            os.close(self._pipe)
        if not text:
            return Report(error=f"{self.name} ended before its time: see the journal of the supervisor")
        return Report(**json.loads(text))

    def end_hanging(self) -> None:
        """End it, if it takes too long; it is still to be reaped."""
        now = time.monotonic()
        if now >= self.until:
            logger.error("site %s: %s takes too long, and is ended", self.site.name, self.name)
            os.kill(self.process, signal.SIGKILL)
            self.until = now + CHORE_SECONDS


class Chores:
    """Begins the chore that is due, and takes its report.

    All instants are monotonic seconds. ``ends`` is to be watched for reading, by ``take_ends``.
    """

    def __init__(self, site: config.Site, check_seconds: float) -> None:
        """:raises OSError: where the kernel refuses to watch the locks."""
        self.site = site
        self.ends = LockWatch(site.lock_directory)
        self.chore: Chore | None = None
        self.schedule = ChoreSchedule(check_seconds, time.monotonic(), is_preloaded=site.preload)

    @property
    def due(self) -> float:
        """When there is something to do, if nothing comes from outside."""
        return self.schedule.due if self.chore is None else self.chore.until

    def due_chore(self) -> str:
        """Return the chore that is due now, or nothing."""
        return self.schedule.due_chore(time.monotonic())

    def begin(self, name: str, held: Iterable[int]) -> None:
        """:raises OSError: where the kernel refuses.

        :param held: the descriptors of the supervisor.
        """
        self.schedule.begin()
        self.chore = Chore(self.site, name, held)

    def take_ends(self) -> None:
        """Take what the kernel tells: jobs have ended, warm and cold."""
        self.schedule.jobs_ended(self.ends.take(), time.monotonic())

    def has_told(self, rule: str) -> None:
        """Note that a job of this rule has told its end."""
        self.schedule.has_told(rule)

    def finish(self, chore: Chore) -> Report:
        """Take the report of a chore that has been reaped, and arrange for what follows.

        :raises LinodError: where the rules could not be set up.
        """
        report = chore.report()
        self.chore = None
        if chore.name in SET_UPS and report.error:
            raise LinodError(report.error)
        if new_error := self.schedule.finish(chore.name, report, time.monotonic()):
            logger.error("%s", new_error)
        return report


def _do(site: config.Site, name: str, pipe: int) -> int:
    if not site.preload:
        load.load(site)
    from linod_systemd.supervisor import chores  # Django, which is loaded by now

    report = chores.do(site, name)
    if name not in ("end_rows", "send_mails"):
        memory.note_fork(site)
    os.write(pipe, json.dumps(asdict(report)).encode()[:LONGEST])
    return 0
