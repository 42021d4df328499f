"""Give commands to systemd, and ask about units, by systemctl. Jobs ask over the bus instead (dbus.py)."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from linod_systemd.errors import LinodError
from linod_systemd.sites import programs


class SystemdError(LinodError):
    """A command of systemd that failed: the command as typed, and its stderr."""


def run(command: Sequence[str], *, check: bool = True, timeout: float = 90) -> str:
    """Run a command of systemd; its output.

    :raises SystemdError: where it fails and ``check``, or is killed.
    :raises ProgramError: where it is not installed, or does not end.
    """
    done = programs.run(command, seconds=timeout)
    if done.code < 0 or (check and done.code != 0):
        raise SystemdError(
            f"`{shlex.join(command)}` failed: {done.stderr.strip() or done.code}", "run it by hand to see why"
        )
    return done.stdout


def systemctl(*arguments: str, per_user: bool = False, check: bool = True) -> str:
    """:raises SystemdError: where it fails and ``check``."""
    return run(["systemctl", *(["--user"] if per_user else []), *arguments], check=check)


def is_running() -> bool:
    """Whether systemd is PID 1 here (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def reads(directory: Path, *, per_user: bool) -> bool:
    """Whether a running manager reads its units from this directory."""
    if not is_running() or (per_user and not os.environ.get("XDG_RUNTIME_DIR")):
        return False
    manager = _shown(["UnitPath"], [], per_user=per_user, check=False)[0]
    return str(directory) in manager.get("UnitPath", "").split()


def manager_environment() -> dict[str, str]:
    """The variables that the system's manager gives its services; none where it does not answer."""
    lines = systemctl("show-environment", check=False).splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def daemon_reload(*, per_user: bool = False) -> None:
    """Have systemd read its units again.

    :raises SystemdError: where it refuses.
    """
    systemctl("daemon-reload", per_user=per_user)


def timestamp(unit: str, name: str, *, per_user: bool = False) -> datetime | None:
    """A timestamp property of a unit (UTC, to the microsecond), or None: not since the boot.

    :raises SystemdError: where systemd does not answer.
    """
    return _instant(_shown([name], [unit], per_user=per_user)[0].get(name, ""))


def triggered_after(instant: datetime, pattern: str, *, per_user: bool = False) -> list[str]:
    """The timers that last elapsed later than an instant (aware).

    :raises SystemdError: where systemd does not answer.
    """
    timers = _shown(["Id", "LastTriggerUSec"], [pattern], per_user=per_user)
    found = ((one.get("Id", ""), _instant(one.get("LastTriggerUSec", ""))) for one in timers)
    return [name for name, elapsed in found if elapsed is not None and elapsed > instant]


def properties(unit: str, names: Sequence[str], *, per_user: bool = False) -> dict[str, str]:
    """Properties of a unit, those that systemd gives; none where it does not answer."""
    return _shown(names, [unit], per_user=per_user, check=False)[0]


def properties_of(
    units: Sequence[str], names: Sequence[str], *, per_user: bool = False
) -> dict[str, dict[str, str]]:
    """Properties of several units, by one question: name of the unit → property → value."""
    found = _shown(["Id", *names], units, per_user=per_user, check=False) if units else []
    return {one["Id"]: one for one in found if "Id" in one}


def needs_reload(*patterns: str, per_user: bool = False) -> bool:
    """Whether files of units that match were changed since systemd read them.

    :raises SystemdError: where systemd does not answer.
    """
    found = _shown(["NeedDaemonReload"], patterns, per_user=per_user)
    return any(one.get("NeedDaemonReload") == "yes" for one in found)


def _shown(
    names: Sequence[str], units: Sequence[str], *, per_user: bool, check: bool = True
) -> list[dict[str, str]]:
    """Ask ``systemctl show``, the one place: name → value for each unit, or once for the manager.

    At least one, which is empty where nothing was shown. Instants: ``Tue 2026-11-24 04:00:00.000000 UTC``.

    :param units: names or patterns; none: the manager itself.
    :raises SystemdError: where systemd does not answer and ``check``.
    """
    command = [
        "show",
        "--timestamp=us+utc",
        f"--property={','.join(names)}",
        *(["--", *units] if units else []),
    ]
    shown = systemctl(*command, per_user=per_user, check=check)
    return [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in shown.strip().split("\n\n")
    ]


def _instant(shown: str) -> datetime | None:
    """An instant as :func:`_shown` has it, or None: empty, or n/a."""
    words = shown.split()
    if len(words) != 4:
        return None
    _, day, clock, _ = words
    return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=UTC)


def has_elapsed(timer: str, *, per_user: bool = False) -> bool:
    """Whether a timer is active and will not elapse again (systemctl shows it as ``elapsed``).

    :raises SystemdError: where systemd does not answer.
    """
    return _shown(["SubState"], [timer], per_user=per_user)[0].get("SubState") == "elapsed"


def inactive(units: Sequence[str], *, per_user: bool = False) -> bool:
    """Whether none of these units is active or about to be."""
    if not units:
        return True
    states = systemctl("is-active", "--", *units, per_user=per_user, check=False).split()
    return all(state in ("inactive", "failed", "unknown") for state in states)
