"""Hand a site over to a supervisor with new code: the old one serves until the new one has loaded it.

The old one stays, as the parent of its jobs, until the last of these has ended; systemd is told which of
the two is the unit's main process now.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import tempfile

from linod_systemd.sites import config
from linod_systemd.systemd.notify import Notifier

VARIABLE = "LINOD_HANDOVER"
DESCRIPTOR = 3
LOAD_SECONDS = 300.0  # as TimeoutStartSec= of the unit
READY, YOURS = b"ready", b"yours"


class Successor:
    """The new process, seen from the old one; ``fileno()`` is readable once it is ready or has failed."""

    def __init__(self, site: config.Site) -> None:
        """:raises OSError: where no process can be started."""
        self._connection, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - close() does
        command = [sys.executable, "-m", "linod_systemd.cli", "--site", site.name, "supervise"]
        with its:
            self.process = os.posix_spawn(
                sys.executable,
                command,
                {**os.environ, VARIABLE: str(DESCRIPTOR)},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, its.fileno(), DESCRIPTOR),
                    (os.POSIX_SPAWN_DUP2, self._errors.fileno(), sys.stderr.fileno()),
                ],
                setsigmask=(),
                setsigdef=(signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCHLD),
            )

    def fileno(self) -> int:
        return self._connection.fileno()

    def is_ready(self) -> bool:
        """Whether it has come to that; else it has ended. To be asked when there is something to read."""
        try:
            return self._connection.recv(16) == READY
        except ConnectionError:
            return False

    def take_over(self, notifier: Notifier) -> None:
        """Let it be the unit's main process."""
        notifier.main_process(self.process)
        with contextlib.suppress(ConnectionError):  # that it is gone will be seen by systemd
            self._connection.send(YOURS)

    def said(self) -> str:
        """Copy its stderr to ours; return the last line, which is the reason."""
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        sys.stderr.write(text)
        sys.stderr.flush()
        return (text.strip().splitlines() or ["it ended without a word"])[-1]

    def give_up(self) -> None:
        """End it, if it has not ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process, signal.SIGKILL)

    def close(self) -> None:
        self._connection.close()
        self._errors.close()


class Predecessor:
    """The old process, seen from the new one."""

    def __init__(self, descriptor: int) -> None:
        self._connection = socket.socket(fileno=descriptor)
        self._connection.set_inheritable(False)

    @classmethod
    def of_this_process(cls) -> Predecessor | None:
        """The one that started this process, or None: systemd did."""
        descriptor = os.environ.pop(VARIABLE, "")
        return cls(int(descriptor)) if descriptor else None

    def relieve(self) -> bool:
        """Tell it that we serve, and wait until systemd knows; whether it is still there."""
        with self._connection:
            self._connection.settimeout(LOAD_SECONDS)
            try:
                self._connection.send(READY)
                relieved = self._connection.recv(16) == YOURS
            except OSError:
                return False
        os.dup2(sys.stdout.fileno(), sys.stderr.fileno())  # it has read what was said until now
        return relieved
