"""Serve the supervisor's socket: accept clients, fork a job for each, tell each how its job ended.

The other sides of it are forkserver/client.py and, in the fork, forkserver/child.py.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import socket
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linod_systemd.forkserver import fork, tmpdir
from linod_systemd.forkserver.child import Caller, serve
from linod_systemd.forkserver.sandbox import Own
from linod_systemd.sites import config

logger = logging.getLogger("linod.fork_server")

BACKLOG = 512
MOST_JOBS = 400  # clients at a time; the next ones run their jobs cold
MOST_STARTING = 2 * (os.cpu_count() or 1)  # more at a time would only be in each other's way
CREDENTIALS = "iII"  # struct ucred of unix(7): process, user, group
STARTED, ENDED = b"started", b"ended"


@dataclass
class ForkedJob:
    """A client, and the process that was forked for it."""

    connection: socket.socket
    started: bool = False


class ForkServer:
    """``listening`` and ``reports`` are to be watched for reading; ``reap`` is told of ends of children."""

    def __init__(self, site: config.Site, held: Sequence[int], own: Own) -> None:
        """:raises OSError: where the socket cannot be made.

        :param held: descriptors of this process that are none of a job's business.
        :param own: what this process was started with.
        """
        self.own = own
        self.site = site
        self._held = held
        self.path = site.supervisor_socket
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2 * MOST_JOBS, most), most))
        self.listening = _listen(self.path)
        self._inode = self.path.stat().st_ino
        self.reports, self._told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._waiting: deque[tuple[socket.socket, int]] = deque()
        self._jobs: dict[int, ForkedJob] = {}

    @property
    def is_idle(self) -> bool:
        return not self._jobs and not self._waiting

    def descriptors(self) -> list[int]:
        """The descriptors that a child of another kind has to close."""
        held = [connection.fileno() for connection, _ in self._waiting]
        held += [job.connection.fileno() for job in self._jobs.values()]
        listening = [] if self.listening.fileno() < 0 else [self.listening.fileno()]
        return [*held, *listening, self.reports, self._told]

    def accept(self) -> None:
        """Take on who has come, and fork for those whose turn it is."""
        while True:
            try:
                connection, _ = self.listening.accept()
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ECONNABORTED):
                    raise
                logger.error("site %s: a job runs cold: %s", self.site.name, error)
                break
            self._queue(connection)
        self._fork_next()

    def _queue(self, connection: socket.socket) -> None:
        given = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(CREDENTIALS))
        process, user, _ = struct.unpack(CREDENTIALS, given)
        full = len(self._jobs) + len(self._waiting) >= MOST_JOBS
        refusal = b"no its queue is full" if full else b"no it is for another user"
        with contextlib.suppress(ConnectionError):
            if user == os.geteuid() and not full:
                connection.send(b"wait")
                self._waiting.append((connection, process))
                return
            connection.send(refusal)
        connection.close()

    def _fork_next(self) -> None:
        starting = sum(not job.started for job in self._jobs.values())
        while self._waiting and starting < MOST_STARTING:
            connection, process = self._waiting.popleft()
            try:
                child = self._fork(connection, process)
            except OSError as error:
                logger.error("site %s: a job runs cold: %s", self.site.name, error)
                connection.close()
                continue
            self._jobs[child] = ForkedJob(connection)
            starting += 1

    def _fork(self, connection: socket.socket, process: int) -> int:
        caller = Caller(connection, process, self._tell_started, self._tell_ended)
        needed = (self._told, connection.fileno())
        others = [other for other in [*self.descriptors(), *self._held] if other not in needed]

        def farewell(code: int) -> None:
            with contextlib.suppress(ConnectionError):  # a client that was killed
                connection.send(b"exit %d" % code)

        return fork.fork(lambda: serve(self.site, caller, self.own), others, farewell)

    # --- in the child ------------------------------------------------------------------------

    def _tell_started(self) -> None:
        self._tell(b"%s %d\n" % (STARTED, os.getpid()))

    def _tell_ended(self, rule: str) -> None:
        self._tell(b"%s %s\n" % (ENDED, os.fsencode(rule)))

    def _tell(self, report: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # the supervisor was killed, and its jobs go on
            os.write(self._told, report)

    # --- in the parent -----------------------------------------------------------------------

    def take_reports(self) -> list[str]:
        """Take what the jobs tell; the rules of those jobs whose rows have their end."""
        ended = []
        for line in os.read(self.reports, 65536).splitlines():
            kind, _, rest = line.partition(b" ")
            if kind == ENDED:
                ended.append(os.fsdecode(rest))
            elif (job := self._jobs.get(int(rest))) is not None:
                job.started = True
        self._fork_next()
        return ended

    def reap(self, child: int, status: int) -> bool:
        """Tell the client of this child how it ended; whether it was a job's."""
        job = self._jobs.pop(child, None)
        if job is None:
            return False
        with contextlib.suppress(OSError):  # a client that was killed, or ended at the job's last word
            job.connection.send(b"ended %d" % status)
        job.connection.close()
        tmpdir.remove(child)
        self._fork_next()
        return True

    def withdraw(self) -> None:
        """Take on no one any more."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_ino == self._inode:  # not another supervisor's
                self.path.unlink()
        self.listening.close()


def _listen(path: Path) -> socket.socket:
    """Put a listening socket in this place in one step: a client reaches the one before or this one."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.setblocking(False)
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    before = os.umask(0o177)
    try:
        listening.bind(str(new))
    finally:
        os.umask(before)
    listening.listen(BACKLOG)
    new.rename(path)
    return listening
