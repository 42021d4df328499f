"""End what takes too long by an exception, raised in it by a timer of this process (setitimer(2))."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def time_limit(seconds: float, error: Exception, *, of_processor: bool = False) -> Iterator[None]:
    """Raise ``error`` in the body after so many seconds. For a main thread: no other gets the signal.

    :param of_processor: whether only the seconds count in which this process computes.
    """

    def give_up(number: int, frame: FrameType | None) -> None:
        raise error

    number = signal.SIGVTALRM if of_processor else signal.SIGALRM
    timer = signal.ITIMER_VIRTUAL if of_processor else signal.ITIMER_REAL
    before = signal.signal(number, give_up)
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before)
