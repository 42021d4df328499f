"""Which of the supervisor's chores is due when, and what follows from the report of each. Pure.

All instants are monotonic seconds, and given by the caller.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from linod_systemd.common import unit_names
from linod_systemd.rules import slot
from linod_systemd.supervisor.report import Report

SET_UPS = ("set_up", "set_up_again")  # by either of these a supervisor begins
COLD_CHECK_SECONDS = 600.0  # where each check has to load the site first
LOOK_SECONDS = 0.1  # until a job that has ended without a word is looked at
AGAIN_SECONDS = 0.5  # until systemd is asked again how it ended
RETRY_SECONDS = 1.0  # until the database is asked again that was away; doubled each time
MOST_RETRY_SECONDS = 4.0  # so that what waits for it is written soon after its return


class ChoreSchedule:
    """When the next chore is due, and which. Example: a check every 29 s, the first 29 s after ``now``."""

    def __init__(self, check_seconds: float, now: float, *, is_preloaded: bool = True) -> None:
        """:param is_preloaded: whether the site is loaded; else a check has to load it, and is rare."""
        self.check_every = check_seconds if is_preloaded else COLD_CHECK_SECONDS
        self._most_retry = MOST_RETRY_SECONDS if is_preloaded else self.check_every
        self.next_check = now + self.check_every
        self._look_back = math.inf  # when what was about to start at the beginning has started, or never will
        self._to_look_at: dict[str, float] = {}  # locks whose holders have ended, and when that is looked at
        self._last_error = ""
        self._retry = RETRY_SECONDS

    @property
    def due(self) -> float:
        """When there is something to do, if nothing comes from outside."""
        return min([self.next_check, self._look_back, *self._to_look_at.values()])

    def due_chore(self, now: float) -> str:
        """Return the chore that is due now, or nothing."""
        if now >= self.next_check:
            return "check"
        if now >= self._look_back:
            return "look_back"
        return "end_rows" if self._to_look_at and now >= min(self._to_look_at.values()) else ""

    def begin(self) -> None:
        """Note that a chore begins: each of them ends the rows of the jobs that have ended."""
        self._to_look_at.clear()

    def jobs_ended(self, locks: Iterable[str], now: float) -> None:
        """Note that the holders of these locks have ended; if they do not tell how, that is looked at."""
        for name in locks:
            self._to_look_at.setdefault(name, now + LOOK_SECONDS)

    def has_told(self, rule: str) -> None:
        """Note that a job of this rule has told its end: there is nothing to be looked at."""
        self._to_look_at.pop(unit_names.lock_file(rule), None)

    def finish(self, chore: str, report: Report, now: float) -> str:
        """Arrange for what follows from a chore's report; the error, if it is another than the last one."""
        if not report.is_complete:
            self._to_look_at[""] = now + AGAIN_SECONDS
        if chore in (*SET_UPS, "check"):
            self.next_check = now + self.check_every
        if chore in SET_UPS:
            self._look_back = now + slot.PROMPT.total_seconds()
        if chore == "look_back":
            self._look_back = now + self._retry if report.error else math.inf
        if report.error:
            self._to_look_at[""] = now + self._retry
            self._retry = min(2 * self._retry, self._most_retry)
        elif self._last_error:
            self._retry = RETRY_SECONDS
            self.next_check = now  # whose report says how things are now
        before, self._last_error = self._last_error, report.error
        return report.error if report.error != before else ""
