"""The main process of a job's unit: it asks the supervisor, which has the site loaded, to fork the job.

It waits for the job, passes signals on, and ends as the job did. Where nobody answers, it becomes the cold
command itself. What is imported here costs each job its time: ``socket`` and ``signal`` bring enum and
selectors along, 7 ms, which what they are made of does not.

After "ready" comes the commitment. Before this process has said "go", no job is run; from then on it begins
no other, unless the connection ends without the word "started", which the job says first of all.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

PROTOCOL = b"linod-job 1"
ANSWER_SECONDS = 3.0  # for the supervisor to say that it is there
TURN_SECONDS = 20.0  # for the job to come to its turn and be ready
LONGEST = 8192
ENDED_MARK = "ended"  # a file in the folder of this run: its row has its end (invocation.py has it, too)
FORWARDED = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def main(arguments: list[str]) -> NoReturn:
    """Run the rule, warm or cold; ends this process as the job ended."""
    path, rule, cold = arguments[0], arguments[1], arguments[2:]
    begin_run()
    status = Client().run(path, rule)
    if status is None:
        os.execv(cold[0], cold)  # noqa: S606 - the unit names it
    _end_as(status)


def begin_run() -> None:
    """Remove the mark that the run before has left in the folders of this unit (RuntimeDirectory=).

    :raises OSError: where that cannot be done.
    """
    for folder in os.environ.get("RUNTIME_DIRECTORY", "").split(":"):
        if folder.split("/")[-2:-1] != ["runs"]:  # nothing to do with a run, or of some other service
            continue
        try:  # noqa: SIM105 - contextlib costs 2 ms
            os.unlink(f"{folder}/{ENDED_MARK}")
        except FileNotFoundError:
            pass


class Client:
    """One job that is asked for."""

    def __init__(self) -> None:
        self.job = 0
        self.stopped_by = 0

    def run(self, path: str, rule: str) -> int | None:
        """Have the supervisor run the rule: how its process ended (wait(2)), or None: it did not begin."""
        # No enum members here: these are the plain numbers.
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
        try:
            connection.setblocking(False)  # a full queue is no reason to wait
            connection.connect(path)
            connection.settimeout(ANSWER_SECONDS)
            streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
            # Its own word for the directory: seen from another mount namespace, that may have another path.
            request = b"\0".join((PROTOCOL, os.fsencode(rule), os.getcwdb()))
            try:  # noqa: SIM105 - contextlib costs 2 ms
                connection.sendmsg([request], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused already; the reason is there to be read
            ready = self._is_ready(connection)
        except (OSError, ValueError) as error:
            _say_cold(f"the supervisor does not take the job ({error})")
            return None
        return self._await_end(connection) if ready else None

    def _is_ready(self, connection: _socket.socket) -> bool:
        """Whether a process is, by now, to run the job.

        :raises OSError: where it does not come to that in time.
        """
        while True:
            word, _, rest = _next_word(connection).partition(b" ")
            if word == b"wait":
                connection.settimeout(TURN_SECONDS)
            elif word == b"ready":
                self.job = int(rest)
                return True
            else:
                _say_cold(os.fsdecode(rest) or "the supervisor ended")
                return False

    def _await_end(self, connection: _socket.socket) -> int | None:
        for name in FORWARDED:
            _signal.signal(getattr(_signal, name), self._pass_on)
        connection.settimeout(None)
        began, word = False, b""
        try:
            connection.send(b"go")
            while word := _next_word(connection):
                kind, _, rest = word.partition(b" ")
                if kind == b"started":
                    began = True
                elif kind in (b"exit", b"ended"):
                    break
        except OSError as error:
            word = b""
            print(f"linod: the connection to the job broke ({error})", file=sys.stderr)
        if not began:
            if self.stopped_by:  # who was told to stop meanwhile does not begin anew
                return self.stopped_by
            _say_cold("its process ended before it began")
            return None
        kind, _, rest = word.partition(b" ")
        if kind == b"exit":
            return int(rest) << 8
        # Nobody is left to tell: it was killed, and with it its parent.
        return int(rest) if kind == b"ended" else int(_signal.SIGKILL)

    def _pass_on(self, number: int, frame: object) -> None:
        self.stopped_by = self.stopped_by or number
        try:
            os.kill(self.job, number)
        except ProcessLookupError:
            return  # its end is in the connection


def _next_word(connection: _socket.socket) -> bytes:
    """Return the next word of the other side; nothing: it is over.

    :raises OSError: where it does not come in time.
    """
    try:
        return connection.recv(LONGEST)
    except ConnectionResetError:  # the other end has closed without having read all; its words come then
        return connection.recv(LONGEST)


def _say_cold(reason: str) -> None:
    print(f"linod: runs cold: {reason}", file=sys.stderr)


def _end_as(status: int) -> NoReturn:
    """End this process with this wait status."""
    sys.stderr.flush()
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != _signal.SIGKILL:
            _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
