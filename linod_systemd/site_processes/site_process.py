"""Have a site do something for root: as the site's user, in a unit of its own, without root's terminal.

Whoever has broken into a site decides what its code does when root types ``linod status``. So the process
gets pipes, or a terminal made for it alone; its output is bounded, and shown with its control characters made
visible; and when it ends, PID 1 ends whatever it has left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import IO

from linod_systemd.common.text import Screen
from linod_systemd.errors import ConfigurationError, LinodError
from linod_systemd.site_processes.held_process import Given, HeldProcess, InNamespace, InUnit, Order
from linod_systemd.site_processes.terminal_input import Feeder
from linod_systemd.sites import config, environment_file, programs, site_user
from linod_systemd.systemd import systemctl

PART = 65536
LOOK_SECONDS = 0.05
FAREWELL_SECONDS = 5.0  # from Ctrl-C to SIGKILL


@dataclass(frozen=True)
class Limits:
    """How long a command runs (seconds), and how many bytes it prints at most."""

    seconds: float
    most_bytes: int


QUESTION = Limits(seconds=120, most_bytes=2**20)  # whose answer root's side reads
COMMAND = Limits(seconds=600, most_bytes=64 * 2**20)
# What is meant to take long, or to print much: a dump, a migration, a development server.
LONG = Limits(seconds=7 * 86400, most_bytes=64 * 2**30)


@dataclass(frozen=True)
class Answer:
    """The answer of a command: its exit code, and its two streams as text."""

    code: int
    stdout: str
    stderr: str


class TooMuch(LinodError):
    """A command that took too long, or printed too much."""


def enter(
    site: config.Site,
    module: str,
    arguments: Sequence[str],
    limits: Limits = COMMAND,
    *,
    interactive: bool = False,
) -> int:
    """Run ``python -m module --site SITE arguments`` as the site's user, under its python; its exit code.

    Does not return where this process is of that user already: it becomes the other python then.

    :raises ConfigurationError: where that python cannot be run.
    :raises LinodError: as :func:`relay`.
    """
    command = [site.python, "-m", module, "--site", site.name, *arguments]
    if os.geteuid() == 0 and site_user.account_of(site).pw_uid != 0:
        return relay(site, command, limits, interactive=interactive)
    _check_python(site)
    environment = site_user.plain_environment(site, site_user.account_of(site))
    if site.environment_file and site.environment_by_root:
        environment |= environment_file.read(site.environment_file).values
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(site.python, command, environment)  # noqa: S606 - the administrator named it in SITE.toml


def ask(site: config.Site, command: Sequence[str], limits: Limits = QUESTION) -> Answer:
    """Run a command as the site's user to its end, and take what it says.

    :raises TooMuch: where it says more than the limits allow, or takes longer.
    :raises LinodError: where it cannot be run.
    """
    said = {"stdout": bytearray(), "stderr": bytearray()}
    with contextlib.ExitStack() as stack:
        out, its_out = _pipe(stack)
        err, its_err = _pipe(stack)
        process = _start(site, command, Given(None, its_out.fileno(), its_err.fileno()), limits, {})
        stack.callback(process.close)
        its_out.close()
        its_err.close()
        takers = {out.fileno(): said["stdout"].extend, err.fileno(): said["stderr"].extend}
        code = _follow(process, command, takers, limits)
    stdout, stderr = (bytes(stream).decode(errors="backslashreplace") for stream in said.values())
    return Answer(code, stdout, stderr)


def ask_as(site: config.Site, command: Sequence[str]) -> Answer:
    """Ask a site as its user: root through a unit, any other user in this environment."""
    if os.geteuid() == 0:
        return ask(site, command)
    done = programs.run(command, seconds=QUESTION.seconds, folder=os.getcwd(), environment=os.environ)
    return Answer(done.code, done.stdout, done.stderr)


def relay(site: config.Site, command: Sequence[str], limits: Limits, *, interactive: bool = False) -> int:
    """Run a command as the site's user, show what it prints as it comes; its exit code.

    :param interactive: whether it may ask something: then it has a terminal of its own, where root has one,
        and else root's stdin through a pipe.
    :raises TooMuch: where it prints more than the limits allow, or takes longer.
    :raises LinodError: where it cannot be run.
    """
    if interactive and sys.stdin.isatty() and sys.stdout.isatty():
        return _in_a_terminal(site, command, limits)
    with contextlib.ExitStack() as stack:
        out, its_out = _pipe(stack)
        err, its_err = _pipe(stack)
        given, feeder = Given(None, its_out.fileno(), its_err.fileno()), None
        if interactive:
            its_in, target = _pipe(stack)
            given = Given(its_in.fileno(), its_out.fileno(), its_err.fileno())
            feeder = Feeder(sys.stdin.fileno(), target)
        process = _start(site, command, given, limits, _looks() if sys.stdout.isatty() else {})
        stack.callback(process.close)
        its_out.close()
        its_err.close()
        if interactive:
            its_in.close()
        stack.enter_context(_signals_to(process))
        takers = {out.fileno(): _shown_on(sys.stdout), err.fileno(): _shown_on(sys.stderr)}
        return _follow(process, command, takers, limits, feeder)


def _in_a_terminal(site: config.Site, command: Sequence[str], limits: Limits) -> int:
    """Relay a command with a pseudo-terminal (pty(7)) between root's terminal and the site."""
    with contextlib.ExitStack() as stack:
        master, slave = (stack.enter_context(os.fdopen(handle, "wb", 0)) for handle in pty.openpty())
        _copy_size(master.fileno())
        # TERM=dumb: a terminal with no other codes than those that are let through.
        process = _start(site, command, Given(terminal=os.ttyname(slave.fileno())), limits, {"TERM": "dumb"})
        stack.callback(process.close)
        stack.enter_context(_keys_as_they_are(sys.stdin.fileno()))
        before = signal.signal(signal.SIGWINCH, lambda *_: _copy_size(master.fileno()))
        stack.callback(signal.signal, signal.SIGWINCH, before)
        takers = {master.fileno(): _shown_on(sys.stdout, is_terminal=True)}
        return _follow(process, command, takers, limits, Feeder(sys.stdin.fileno(), master))


def _start(
    site: config.Site, command: Sequence[str], given: Given, limits: Limits, environment: Mapping[str, str]
) -> HeldProcess:
    _check_python(site)
    site_user.make_directories(site, site_user.account_of(site))
    sys.stdout.flush()
    sys.stderr.flush()
    kind = InUnit if systemctl.is_running() else InNamespace
    return kind(Order(site, command, given, limits.seconds, environment))


def _check_python(site: config.Site) -> None:
    if not os.access(site.python, os.X_OK):
        raise ConfigurationError(
            f"the python of the site {site.name!r}, {site.python}, cannot be run",
            f"correct `python` in {config.site_file(site.name)}",
        )


def _follow(
    process: HeldProcess,
    command: Sequence[str],
    takers: Mapping[int, Callable[[bytes], object]],
    limits: Limits,
    feeder: Feeder | None = None,
) -> int:
    """Pass on what comes until the process has ended and nothing more is there; its exit code.

    Nobody waits for other processes that keep the streams open.
    """
    reading, taken, deadline = set(takers), 0, time.monotonic() + limits.seconds
    while True:
        has_ended = not _ready(reading) and process.has_ended()
        to_read, to_write = feeder.waits_for() if feeder else ([], [])
        found, free, _ = select.select([*reading, *to_read], to_write, [], 0 if has_ended else LOOK_SECONDS)
        if feeder is not None and (free or set(found) & set(to_read)):
            feeder.move()
        for handle in reading & set(found):
            part = _read(handle)
            taken += len(part)
            takers[handle](part)
            if not part:
                reading.remove(handle)
        if has_ended and not _ready(reading):
            for handle in reading:
                takers[handle](b"")
            return process.code()
        trouble = ""
        if taken > limits.most_bytes:
            trouble = f"printed more than {limits.most_bytes} bytes"
        elif time.monotonic() > deadline:
            trouble = f"did not end within {limits.seconds:.0f} s"
        if trouble:
            process.kill()
            typed = " ".join(command)
            raise TooMuch(f"`{typed:.200}` {trouble}, and was ended", "run it as the site's user to see why")


def _ready(handles: set[int]) -> bool:
    return bool(select.select(handles, [], [], 0)[0])


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, PART)
    except OSError:  # EIO: nobody has the terminal open any more
        return b""


def _shown_on(stream: IO[str], *, is_terminal: bool = False) -> Callable[[bytes], None]:
    """A function that shows bytes on a stream of root's; none at the end."""
    screen = Screen(is_terminal=is_terminal)

    def show(part: bytes) -> None:
        stream.write(screen.show(part, is_last=not part))
        stream.flush()

    return show


def _looks() -> dict[str, str]:
    """Variables by which a table has colours, and the width of root's terminal."""
    return {"FORCE_COLOR": "1", "COLUMNS": str(os.get_terminal_size(sys.stdout.fileno()).columns)}


def _pipe(stack: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    return (
        stack.enter_context(os.fdopen(reading, "rb", buffering=0)),
        stack.enter_context(os.fdopen(writing, "wb", buffering=0)),
    )


def _copy_size(master: int) -> None:
    """Give the terminal the size of root's (ioctl_tty(2))."""
    size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    fcntl.ioctl(master, termios.TIOCSWINSZ, size)


@contextlib.contextmanager
def _keys_as_they_are(terminal: int) -> Iterator[None]:
    """Hand each key on at once, Ctrl-C too; afterwards root's terminal is as before, and holds no key."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal, termios.TCSADRAIN)  # keys that are typed already are for the process
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


@contextlib.contextmanager
def _signals_to(process: HeldProcess) -> Iterator[None]:
    """While it runs, Ctrl-C and SIGTERM go to the process; it has some seconds to end."""

    def stop(number: int, frame: FrameType | None) -> None:
        process.stop(number, FAREWELL_SECONDS)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
