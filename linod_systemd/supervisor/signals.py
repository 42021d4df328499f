"""Turn signals into bytes in a pipe, which select(2) can wait for beside all else."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from types import FrameType


@contextlib.contextmanager
def caught(signals: Sequence[int]) -> Iterator[int]:
    """A descriptor from which the numbers of these signals are read as they come."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    before = {number: signal.signal(number, _noted) for number in signals}
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _noted(number: int, frame: FrameType | None) -> None:
    """The number is in the pipe by now; its default action must not follow."""
