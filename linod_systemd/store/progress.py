"""``ar.progress``: a job says how far it is, in its row and in the status of its unit: once a second."""

from __future__ import annotations

import logging
import math
import time

from django.db import DatabaseError, InterfaceError

from linod_systemd.common.text import storable
from linod_systemd.store import database
from linod_systemd.store.job import Job
from linod_systemd.systemd.notify import Notifier

logger = logging.getLogger("linod.progress")

EVERY = 1.0  # seconds


class Progress:
    """Call it as often as you like: ``ar.progress(120, 400, "mails")``."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._said: tuple[float, float | None, object] | None = None
        self._next_at = 0.0
        self._notifier = Notifier()

    def __call__(self, done: float, total: float | None = None, text: str = "") -> None:
        """Say that ``done`` of ``total`` is over, and in a word what that is.

        :raises ValueError, TypeError: for what is no finite number.
        """
        self._said = _finite(done), None if total is None else _finite(total), text
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + EVERY
            self._tell()

    def settle(self) -> None:
        """Give the job what was said last; whoever ends its row writes it."""
        if self._said is None:
            return
        self.job.progress_done, self.job.progress_total, text = self._said
        self.job.progress_text = storable(str(text))[:200]

    def _tell(self) -> None:
        self.settle()
        self._notifier.status(self.job.progress)
        # Within a transaction of the procedure's nobody would see it, and it might be taken back.
        if self.job.pk is None or database.connection().in_atomic_block:
            return
        values = {name: getattr(self.job, name) for name in Job.PROGRESS}
        try:
            Job.objects.filter(pk=self.job.pk).update(**values)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("%s: its progress is not in its row now: %s", self.job.rule_name, error)


def _finite(number: float) -> float:
    found = float(number)
    if not math.isfinite(found):
        raise ValueError(f"ar.progress() takes finite numbers, and not {number!r}")
    return found
