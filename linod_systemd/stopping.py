"""Whether this job is to come to an end: SIGTERM, as at a shutdown or by ``systemctl stop``.

A procedure that asks is not interrupted: it has the time that its unit gives (TimeoutStopSec=) to come to an
end by itself. One that never asks is ended by an exception (attempt.py).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class _State:
    is_asked_for: bool = False  # by the procedure
    has_come: bool = False
    is_known: bool = False  # to the procedure


_state = _State()


def is_stopping() -> bool:
    """What ``ar.stopping`` gives."""
    _state.is_asked_for = True
    _state.is_known |= _state.has_come
    return _state.has_come


class Stopping:
    """The same, for a request that is a class of somebody else's: true once it is so."""

    def __bool__(self) -> bool:
        return is_stopping()


def begin() -> None:
    """A procedure is about to be called."""
    _state.is_asked_for = _state.has_come = _state.is_known = False


def come() -> bool:
    """SIGTERM has come; whether the procedure looks for it by itself."""
    _state.has_come = True
    return _state.is_asked_for


def was_heeded() -> bool:
    """Whether the procedure has been told, so that it may have ended early."""
    return _state.is_known
