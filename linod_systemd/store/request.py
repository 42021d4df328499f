"""``ar``, the request that a procedure is called with; and whether its job is asked to stop.

SIGTERM asks a job to stop, at a shutdown or by ``systemctl stop``. A procedure that reads ``ar.stopping`` is
not interrupted: its unit gives it time to come to an end by itself (TimeoutStopSec=). A procedure that never
reads it is ended by an exception (runner/attempt.py).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from linod_systemd.store.job import Job
    from linod_systemd.store.progress import Progress


@dataclass
class _Stop:
    is_asked_for: bool = False  # by the procedure
    has_come: bool = False
    is_known: bool = False  # to the procedure


_stop = _Stop()


def is_stopping() -> bool:
    """Return whether the job is asked to stop, for ``ar.stopping``."""
    _stop.is_asked_for = True
    _stop.is_known |= _stop.has_come
    return _stop.has_come


class Stopping:
    """``ar.stopping`` of a request whose class is not ours: true once the job is asked to stop."""

    def __bool__(self) -> bool:
        return is_stopping()


def forget_stop() -> None:
    """A procedure is about to be called."""
    _stop.is_asked_for = _stop.has_come = _stop.is_known = False


def take_stop() -> bool:
    """SIGTERM has come; whether the procedure looks for it by itself."""
    _stop.has_come = True
    return _stop.is_asked_for


def stop_was_seen() -> bool:
    """Whether the procedure has been told, so that it may have ended early."""
    return _stop.is_known


@dataclass(frozen=True)
class Request:
    """The rule and the job of this run, and a logger whose records reach the job's message.

    ``rule`` is the site's own row, such as a JobRule; a plain Rule where the database is away. ``progress``
    is called with what is done, of how much, and a word: ``ar.progress(120, 400, "mails")``.
    """

    rule: Any
    job: Job
    logger: logging.Logger
    progress: Progress

    @property
    def stopping(self) -> bool:
        """Whether the job is to come to an end: a long one that asks is not interrupted."""
        return is_stopping()

    def debug(self, message: str, *args: Any) -> None:
        self.logger.debug(message, *args, stacklevel=2)

    def info(self, message: str, *args: Any) -> None:
        self.logger.info(message, *args, stacklevel=2)

    def warning(self, message: str, *args: Any) -> None:
        self.logger.warning(message, *args, stacklevel=2)

    def error(self, message: str, *args: Any) -> None:
        self.logger.error(message, *args, stacklevel=2)
