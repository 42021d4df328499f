"""Have a process of its own send the mails that wait, beside the chores: a mail server may hang."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

from linod_systemd.jobs import outbox
from linod_systemd.sites import config
from linod_systemd.supervisor.chore_process import Chore

FIRST_WAIT, LONGEST_WAIT = 30.0, 900.0  # seconds until what was not taken is sent again


class Mailing:
    """When mails are to be sent, and the process that sends them. Instants are monotonic seconds."""

    def __init__(self, site: config.Site) -> None:
        self.site = site
        self.chore: Chore | None = None
        self._due = math.inf
        self._not_before = 0.0
        self._wait = FIRST_WAIT

    @property
    def due(self) -> float:
        """When there is something to do, as known from the last :meth:`look`."""
        return self._due if self.chore is None else self.chore.until

    def look(self) -> None:
        """See whether mails wait: whoever leaves one tells nobody."""
        at = outbox.due(self.site)
        self._due = math.inf if at is None else max(time.monotonic() + at - time.time(), self._not_before)

    def begin(self, held: Iterable[int]) -> None:
        """Begin to send them, where one is due; end the process that sends them, where it hangs.

        :raises OSError: where the kernel refuses a process.
        :param held: the descriptors of the supervisor.
        """
        if self.chore is not None:
            self.chore.end_hanging()
        elif time.monotonic() >= self._due:
            self.chore = Chore(self.site, "send_mails", held)

    def finish(self, chore: Chore) -> None:
        """Take the report of that process, which has been reaped."""
        self.chore = None
        if chore.report().error:
            self._not_before = time.monotonic() + self._wait
            self._wait = min(2 * self._wait, LONGEST_WAIT)
        else:
            self._not_before, self._wait = 0.0, FIRST_WAIT
        self.look()
