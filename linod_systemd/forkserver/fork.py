"""Fork a child that ends as a python of its own would: signals, exit handlers, exit code."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import NoReturn


def fork(
    work: Callable[[], int], close: Iterable[int] = (), farewell: Callable[[int], object] | None = None
) -> int:
    """Fork; the child calls ``work``, ends with what it gives, and never returns. Gives the child's number.

    :param close: descriptors that are none of the child's business.
    :param farewell: called with the exit code as the last thing of all.
    :raises OSError: where the kernel refuses.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal for the child must not be noted in the parent's pipe, which both hold until it is reset.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        child = os.fork()
        if child == 0:
            _become(work, close, before, farewell)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return child


def _become(
    work: Callable[[], int],
    close: Iterable[int],
    mask: Iterable[int],
    farewell: Callable[[int], object] | None,
) -> NoReturn:
    code = 1
    try:
        _forget(close)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = work()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        _end(code & 0xFF, farewell)


def _forget(close: Iterable[int]) -> None:
    """Undo in the child what the parent set: signals, descriptors, exit handlers."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor in close:
        os.close(descriptor)
    atexit._clear()


def _end(code: int, farewell: Callable[[int], object] | None) -> NoReturn:
    """Wait for its threads, call its exit handlers, spare the rest of an exit.

    Tearing down modules would write to each page that the child shares with its parent.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        if farewell is not None:
            farewell(code)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
