"""systemctl and systemd-analyze. What a job asks systemd itself goes over the bus (systemd/dbus.py)."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from linod_systemd.errors import LinodError
from linod_systemd.sites import programs

VERIFY_BATCH = 200
VERIFY_SECONDS = 120.0
COLON = "\\x3a"  # as no name has it: unitnames.escape() leaves colons


class SystemdError(LinodError):
    """A command of systemd that failed; carries it as typed, and what it said."""


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
    shown = systemctl("show", "--property=UnitPath", "--value", per_user=per_user, check=False)
    return str(directory) in shown.split()


def daemon_reload(*, per_user: bool = False) -> None:
    systemctl("daemon-reload", per_user=per_user)


def timestamp(unit: str, name: str, *, per_user: bool = False) -> datetime | None:
    """A timestamp property of a unit (UTC, to the microsecond), or None: not since the boot.

    :raises SystemdError: where systemd does not answer.
    """
    command = ("show", "--timestamp=us+utc", f"--property={name}", "--value", "--", unit)
    return _instant(systemctl(*command, per_user=per_user))


def triggered_after(instant: datetime, pattern: str, *, per_user: bool = False) -> list[str]:
    """The timers that last elapsed later than an instant (aware).

    :raises SystemdError: where systemd does not answer.
    """
    command = ("show", "--timestamp=us+utc", "--property=Id,LastTriggerUSec", "--", pattern)
    shown = _by_unit(systemctl(*command, per_user=per_user))
    found = ((name, _instant(one.get("LastTriggerUSec", ""))) for name, one in shown.items())
    return [name for name, elapsed in found if elapsed is not None and elapsed > instant]


def _instant(shown: str) -> datetime | None:
    """A timestamp as --timestamp=us+utc shows it, or None: empty, or n/a."""
    words = shown.split()
    if len(words) != 4:
        return None
    _, day, clock, _ = words
    return datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=UTC)


def properties(unit: str, names: Sequence[str], *, per_user: bool = False) -> dict[str, str]:
    """Properties of a unit, those that systemd gives; none where it does not answer."""
    shown = systemctl("show", f"--property={','.join(names)}", "--", unit, per_user=per_user, check=False)
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def properties_of(
    units: Sequence[str], names: Sequence[str], *, per_user: bool = False
) -> dict[str, dict[str, str]]:
    """The same of several units, by their names, by one question."""
    if not units:
        return {}
    wanted = f"--property=Id,{','.join(names)}"
    return _by_unit(systemctl("show", wanted, "--", *units, per_user=per_user, check=False))


def _by_unit(shown: str) -> dict[str, dict[str, str]]:
    """What ``systemctl show`` prints of several units, Id among it: an empty line parts them."""
    blocks = [
        dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        for block in shown.strip().split("\n\n")
    ]
    return {block["Id"]: block for block in blocks if "Id" in block}


def needs_reload(*patterns: str, per_user: bool = False) -> bool:
    """Whether files of units that match were changed since systemd read them.

    :raises SystemdError: where systemd does not answer.
    """
    shown = systemctl("show", "--property=NeedDaemonReload", "--value", "--", *patterns, per_user=per_user)
    return "yes" in shown.split()


def verify(units: Mapping[str, str], directory: Path, *, per_user: bool = False) -> list[str] | None:
    """What ``systemd-analyze verify`` finds wrong with these units (file name → text), as they stand aside.

    :param directory: where the units lie that they refer to.

    It exits 0 for an unknown key, so that any line it prints counts. None where it is not installed.
    A target and its drop-ins are looked at alone: it loads all that they name, and the time for that grows
    with the square of their number (seen on systemd 252).

    :raises ProgramError: where it does not end in time.
    """
    if shutil.which("systemd-analyze") is None:
        return None
    targets = {name: text for name, text in units.items() if _unit_of(name).endswith(".target")}
    others = {name: text for name, text in units.items() if name not in targets}
    with (
        tempfile.TemporaryDirectory(prefix="linod-verify-") as folder,
        tempfile.TemporaryDirectory(prefix="linod-verify-") as folder_of_targets,
    ):
        wholes = _laid_out(others, folder)
        batches = [
            (folder, f"{folder}:{directory}:", wholes[begin : begin + VERIFY_BATCH])
            for begin in range(0, len(wholes), VERIFY_BATCH)
        ]
        if targets:
            batches.append((folder_of_targets, folder_of_targets, _laid_out(targets, folder_of_targets)))
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            said = list(threads.map(lambda batch: _verified(*batch, per_user=per_user), batches))
    return [line for lines in said for line in lines]


def _unit_of(name: str) -> str:
    """The unit that a file is, or is a drop-in of."""
    return name.rpartition("/")[0].removesuffix(".d") or name


def _laid_out(units: Mapping[str, str], folder: str) -> list[str]:
    """Write units into a folder; those to look at."""
    for name, text in units.items():
        path = Path(folder, name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    # A drop-in is looked at with the unit that it belongs to, or one that stands for it.
    names = {_unit_of(name) for name in units if "@." not in name}
    for name in names - set(units):
        Path(folder, name).write_text("[Unit]\n", encoding="utf-8")
    # A colon in an argument parts a file from an alias: such a unit is looked at by another name.
    for name in [name for name in names if ":" in name]:
        Path(folder, name.replace(":", COLON)).write_text(units[name], encoding="utf-8")
    return sorted(name.replace(":", COLON) for name in names)


def _verified(folder: str, unit_path: str, names: Sequence[str], *, per_user: bool) -> list[str]:
    command = ["systemd-analyze", *(["--user"] if per_user else []), "--man=no", "verify", "--", *names]
    environment = {"SYSTEMD_UNIT_PATH": unit_path, "SYSTEMD_LOG_COLOR": "0"}
    # `systemd-analyze --user` wants one, and a plain su has none.
    environment["XDG_RUNTIME_DIR"] = os.environ.get("XDG_RUNTIME_DIR", folder)
    done = programs.run(command, seconds=VERIFY_SECONDS, folder=folder, environment=environment)
    said = [
        line.replace(f"{folder}/", "").replace(COLON, ":")
        for line in (done.stdout + done.stderr).splitlines()
        if line.strip()
    ]
    if done.code != 0 and not said:
        said = [f"systemd-analyze verify ended with {done.code}"]
    return said


def has_elapsed(timer: str, *, per_user: bool = False) -> bool:
    """Whether a timer is active and will not elapse again (systemctl shows it as ``elapsed``).

    :raises SystemdError: where systemd does not answer.
    """
    shown = systemctl("show", "--property=SubState", "--value", "--", timer, per_user=per_user)
    return shown.strip() == "elapsed"


def inactive(units: Sequence[str], *, per_user: bool = False) -> bool:
    """Whether none of these units is active or about to be."""
    if not units:
        return True
    states = systemctl("is-active", "--", *units, per_user=per_user, check=False).split()
    return all(state in ("inactive", "failed", "unknown") for state in states)
