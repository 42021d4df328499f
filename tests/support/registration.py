"""Functions that are procedures as long as a test runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from linod_systemd.procedures import Procedure, Procedures


class Registered(Protocol):
    """Registers a function as a procedure that is never due by itself; the name may be given."""

    def __call__(self, func: Callable[[Any], Any], name: str = "") -> Procedure: ...


def register(func: Callable[[Any], Any], name: str = "") -> Procedure:
    """As :class:`Registered`."""
    procedure = Procedure(name or func.__name__, func, "never", 1)
    Procedures.add(procedure)
    return procedure
