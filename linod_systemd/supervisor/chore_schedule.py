"""Which of the supervisor's chores is due, and what follows from each; one at a time (chore_process.py)."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable

from linod_systemd.common import unit_names
from linod_systemd.errors import LinodError
from linod_systemd.rules import slot
from linod_systemd.sites import config
from linod_systemd.supervisor.chore_process import Chore
from linod_systemd.supervisor.lock_watch import Watch
from linod_systemd.supervisor.report import Report

logger = logging.getLogger("linod.supervisor")

SET_UPS = ("set_up", "set_up_again")  # by either of these a supervisor begins
COLD_CHECK_SECONDS = 600.0  # where each check has to load the site first
LOOK_SECONDS = 0.1  # until a job that has ended without a word is looked at
SETTLE_SECONDS = 0.5  # until systemd is asked again how it ended
RETRY_SECONDS = 1.0  # until the database is asked again that was away; doubled each time
MOST_RETRY_SECONDS = 4.0  # so that what waits for it is written soon after its return
CHORE_SECONDS = 240.0  # more than a check ever takes: it hangs


class Housekeeper:
    """All instants are monotonic seconds. ``ends`` is to be watched for reading, by ``take_ends``."""

    def __init__(self, site: config.Site, check_seconds: float) -> None:
        """:raises OSError: where the kernel refuses to watch the locks."""
        self.site = site
        self.ends = Watch(site.lock_directory)
        self.chore: Chore | None = None
        self.check_every = check_seconds if site.preload else COLD_CHECK_SECONDS
        self.next_check = time.monotonic() + self.check_every
        self._look_back = math.inf  # when what was about to start at the beginning has started, or never will
        self._unsettled: dict[str, float] = {}  # locks whose holders have ended, and when that is looked at
        self._last_error = ""
        self._retry = RETRY_SECONDS

    @property
    def due(self) -> float:
        """When there is something to do, if nothing comes from outside."""
        if self.chore is not None:
            return self.chore.until
        return min([self.next_check, self._look_back, *self._unsettled.values()])

    def due_chore(self) -> str:
        """The chore that is due now, or nothing."""
        now = time.monotonic()
        if now >= self.next_check:
            return "check"
        if now >= self._look_back:
            return "look_back"
        return "settle" if self._unsettled and now >= min(self._unsettled.values()) else ""

    def begin(self, name: str, held: Iterable[int]) -> None:
        """:raises OSError: where the kernel refuses.

        :param held: the descriptors of the supervisor.
        """
        self._unsettled.clear()  # all of them end with that
        self.chore = Chore(self.site, name, held, time.monotonic() + CHORE_SECONDS)

    def end_hanging(self) -> None:
        """End the chore, if it takes too long; it is still to be reaped."""
        now = time.monotonic()
        if self.chore is not None and now >= self.chore.until:
            logger.error("site %s: %s takes too long, and is ended", self.site.name, self.chore.name)
            self.chore.give_up(now + CHORE_SECONDS)

    def take_ends(self) -> None:
        """Jobs have ended, warm and cold: those that have not told their end are looked at."""
        due = time.monotonic() + LOOK_SECONDS
        for name in self.ends.take():
            self._unsettled.setdefault(name, due)

    def has_told(self, rule: str) -> None:
        """A job of this rule has: there is nothing to be looked at."""
        self._unsettled.pop(unit_names.lock_file(rule), None)

    def finish(self, chore: Chore) -> Report:
        """Take the report of a chore that has been reaped, and arrange for what follows.

        :raises LinodError: where the rules could not be set up.
        """
        report = chore.report()
        self.chore = None
        if chore.name in SET_UPS and report.error:
            raise LinodError(report.error)
        now = time.monotonic()
        if not report.settled:
            self._unsettled[""] = now + SETTLE_SECONDS
        if chore.name in (*SET_UPS, "check"):
            self.next_check = now + self.check_every
        if chore.name in SET_UPS:
            self._look_back = now + slot.PROMPT.total_seconds()
        if chore.name == "look_back":
            self._look_back = now + self._retry if report.error else math.inf
        if report.error:
            if report.error != self._last_error:
                logger.error("%s", report.error)
            self._unsettled[""] = now + self._retry
            most = MOST_RETRY_SECONDS if self.site.preload else self.check_every
            self._retry = min(2 * self._retry, most)
        elif self._last_error:
            self._retry = RETRY_SECONDS
            self.next_check = now  # whose report says how things are now
        self._last_error = report.error
        return report
