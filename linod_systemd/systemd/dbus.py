"""Ask systemd over D-Bus, by jeepney, without starting a program for each question.

A program that a job starts is also killed by PID 1 when that stops the job (docs/systemd-facts.md, 36).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from jeepney import DBusAddress, DBusErrorResponse, Message, Properties, new_method_call
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.wrappers import unwrap_msg

from linod_systemd.errors import LinodError

NAME = "org.freedesktop.systemd1"
MANAGER = DBusAddress("/org/freedesktop/systemd1", NAME, f"{NAME}.Manager")
REMEDY = "see: systemctl status dbus"
USERS_REMEDY = "apt install dbus-user-session, and log in anew"
ANSWER_SECONDS = 25.0  # seconds for an answer, as systemctl has


class BusError(LinodError):
    """systemd, or the bus to it, does not answer, or refuses."""


class Bus:
    """A connection to the system's manager, or to the user's own. Use it in a ``with`` statement."""

    def __init__(self, *, per_user: bool = False, with_descriptors: bool = False) -> None:
        """:raises BusError: where the bus cannot be reached.

        :param with_descriptors: whether file descriptors are sent over it.
        """
        try:
            self._connection: DBusConnection = open_dbus_connection(
                _address(per_user), enable_fds=with_descriptors
            )
        except (OSError, RuntimeError, DBusErrorResponse) as error:
            remedy = USERS_REMEDY if per_user else REMEDY
            raise BusError(f"the bus to systemd cannot be reached ({error})", remedy) from error

    def __enter__(self) -> Bus:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def get(self, kind: str, name: str, unit: str | None = None) -> Any:
        """A property: of an interface (``Unit``, ``Timer``, ``Manager``), of a unit or of the manager.

        :raises BusError: where there is no answer.
        """
        path = MANAGER.object_path if unit is None else unit_path(unit)
        [(_, value)] = self._call(Properties(DBusAddress(path, NAME, f"{NAME}.{kind}")).get(name))
        return value

    def get_all(self, kind: str, unit: str) -> dict[str, Any]:
        """All properties of an interface of a unit: name → (D-Bus type, value).

        :raises BusError: where there is no answer.
        """
        address = DBusAddress(unit_path(unit), NAME, f"{NAME}.{kind}")
        [values] = self._call(Properties(address).get_all())
        return dict(values)

    def instant(self, kind: str, name: str, unit: str | None = None) -> datetime | None:
        """A timestamp property (UTC, to the microsecond), or None: not since the boot.

        :raises BusError: where there is no answer.
        """
        microseconds = self.get(kind, name, unit)
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds) if microseconds else None

    def load_state(self, unit: str) -> str:
        """Whether systemd knows a unit (``loaded``), which it looks for: ``not-found``, ``masked``, …

        :raises BusError: where there is no answer.
        """
        self._call(new_method_call(MANAGER, "LoadUnit", "s", (unit,)))
        return str(self.get("Unit", "LoadState", unit))

    def hold(self, unit: str) -> None:
        """Keep systemd from forgetting how a unit ended, as long as this connection is open.

        :raises BusError: where that is refused.
        """
        self._call(new_method_call(MANAGER, "RefUnit", "s", (unit,)))

    def start(self, unit: str) -> None:
        """Ask for the start of a unit; does not wait for it.

        :raises BusError: where that is refused.
        """
        self._call(new_method_call(MANAGER, "StartUnit", "ss", (unit, "replace")))

    def start_transient(self, unit: str, properties: Sequence[tuple[str, tuple[str, Any]]]) -> None:
        """Make a unit of these properties (name → D-Bus type and value), and ask for its start.

        :raises BusError: where that is refused.
        """
        body: tuple[Any, ...] = (unit, "fail", list(properties), [])
        self._call(new_method_call(MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", body))

    def stop(self, unit: str) -> None:
        """Ask for the stop of a unit; does not wait for it.

        :raises BusError: where that is refused.
        """
        self._call(new_method_call(MANAGER, "StopUnit", "ss", (unit, "replace")))

    def kill(self, unit: str, whom: str, number: int) -> None:
        """Send a signal to the ``main`` process of a unit, or to ``all``.

        :raises BusError: where that is refused.
        """
        self._call(new_method_call(MANAGER, "KillUnit", "ssi", (unit, whom, number)))

    def has_job(self, unit: str) -> bool:
        """Whether systemd is about to start or stop a unit.

        :raises BusError: where there is no answer.
        """
        number, _ = self.get("Unit", "Job", unit)
        return bool(number)

    def attach(self, unit: str, process: int) -> None:
        """Move a process of ours into the control group of a service that has Delegate=yes.

        :raises BusError: where that is refused.
        """
        self._call(new_method_call(MANAGER, "AttachProcessesToUnit", "ssau", (unit, "", [process])))

    def _call(self, message: Message) -> tuple[Any, ...]:
        try:
            answer = self._connection.send_and_get_reply(message, timeout=ANSWER_SECONDS)
            return unwrap_msg(answer)  # type: ignore[no-any-return]
        except (OSError, DBusErrorResponse) as error:
            raise BusError(f"systemd does not answer over the bus ({error})", REMEDY) from error


def _address(per_user: bool) -> str:
    if not per_user or os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return "SESSION" if per_user else "SYSTEM"
    return f"unix:path={os.environ.get('XDG_RUNTIME_DIR', '')}/bus"


def unit_path(unit: str) -> str:
    """The path of a unit's object (sd_bus_path_encode(3))."""
    signs = (sign if sign.isascii() and sign.isalnum() else f"_{ord(sign):02x}" for sign in unit)
    return f"/org/freedesktop/systemd1/unit/{''.join(signs)}"
