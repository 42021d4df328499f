"""A plan → the disk. The only module that writes into a unit directory."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from linod_systemd import files, systemd
from linod_systemd.errors import LinodError
from linod_systemd.plan import Plan

AHEAD = timedelta(seconds=60)  # more than passes from an elapse to the question


class ApplyError(LinodError):
    """A unit directory that cannot be written."""


def make_directory(directory: Path) -> None:
    """Make the unit directory, where it is missing.

    :raises ApplyError: where that is not possible, or it cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0 and not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ApplyError(
            f"{directory} cannot be opened ({error.strerror})",
            "run it as root, or with --user or --output DIR",
        ) from error


def apply(
    plan: Plan, directory: Path, site: str, *, live: bool, per_user: bool, relisted: Collection[str] = ()
) -> None:
    """Write, change and remove files as planned: all are written aside before the first is put in place.

    The caller holds the units of the site (locks.of_site); those of other sites may be written meanwhile.

    :param live: whether a running systemd reads the directory: timers that go or change are stopped first.
    :param relisted: changed timers whose rule is the same: these are not stopped, but where their list
        has run out, after which a timer does not look at its calendar again.
    :raises ApplyError: where a file cannot be written; each one is then the old or the new, whole.
    """
    fresh = _newly_upheld(plan)
    restarted = [name for name in plan.change if name.endswith(".timer") and name not in relisted]
    removed = [name for name in plan.remove if "/" not in name and "@." not in name]
    # Slice and mount of a site hold what runs: they stop last.
    holding = [name for name in removed if name.endswith((".slice", ".mount"))]
    stopped = [name for name in removed if not name.endswith(".service") and name not in holding] + restarted
    try:
        _sweep(directory, site)
        if live:
            stopped += [name for name in relisted if systemd.has_elapsed(name, per_user=per_user)]
            if systemd.inactive(stopped, per_user=per_user):
                stopped = []
        shortened = _shortened(plan, stopped) if live else {}
        texts = {directory / name: text for name, text in _ends(plan, shortened).items()}
        for path in texts:
            files.make_public_directory(path.parent)
        with files.staged(texts, owner=site) as put:
            _stop(directory, site, shortened, stopped, per_user)
            if live and holding:
                systemd.systemctl("stop", "--", *holding, check=False)
            if live and removed:
                systemd.systemctl("reset-failed", "--", *removed, per_user=per_user, check=False)
            for name in {*fresh, *restarted, *removed}:
                # A timer that begins anew has no past to make up for.
                stamp_file(name, per_user=per_user).unlink(missing_ok=True)
            for path in texts:
                put(path)
        for name in plan.remove:
            (directory / name).unlink(missing_ok=True)
        _remove_empty(directory / "linod.target.d")
        for folder in {directory, *(path.parent for path in texts)}:
            files.sync_directory(folder)
    except OSError as error:
        raise ApplyError(
            f"{error.filename or directory} cannot be written ({error.strerror})",
            "make room or mount it writable, and run linod-generate-units again: it repairs",
        ) from error


def _sweep(directory: Path, site: str) -> None:
    """Remove what a generator that was killed has left aside of this site."""
    for folder in (directory, directory / "linod.target.d"):
        for path in folder.glob(f".{site}~*"):
            path.unlink(missing_ok=True)


def leave_the_future(pattern: str, now: datetime, *, per_user: bool) -> list[str]:
    """Start anew the timers that elapsed by a clock that was ahead, and would wait for it; which these are.

    :raises SystemdError: where systemd does not answer.
    """
    found = systemd.triggered_after(now + AHEAD, pattern, per_user=per_user)
    for name in found:
        stamp_file(name, per_user=per_user).unlink(missing_ok=True)
    if found:
        systemd.systemctl("restart", "--", *found, per_user=per_user)
    return found


def stamp_file(timer: str, *, per_user: bool) -> Path:
    """Where systemd notes when a Persistent= timer last elapsed (systemd.timer(5))."""
    if per_user:
        home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
        return Path(home, "systemd/timers", f"stamp-{timer}")
    return Path("/var/lib/systemd/timers", f"stamp-{timer}")


def upheld(drop_in: str) -> list[str]:
    """The units that a drop-in of linod.target names."""
    return [line.removeprefix("Upholds=") for line in drop_in.splitlines() if line.startswith("Upholds=")]


def _newly_upheld(plan: Plan) -> list[str]:
    """The timers that this plan starts."""
    found = []
    for name, text in plan.write.items():
        if "/" in name:
            before = upheld(plan.before.get(name, ""))
            found += [unit for unit in upheld(text) if unit not in before and unit.endswith(".timer")]
    return found


def _shortened(plan: Plan, units: Collection[str]) -> dict[str, str]:
    """The installed drop-ins of linod.target that name one of these units, without them."""
    gone = {f"Upholds={unit}" for unit in units}
    return {
        name: "\n".join(line for line in text.splitlines() if line not in gone) + "\n"
        for name, text in plan.before.items()
        if "/" in name and set(upheld(text)) & set(units)
    }


def _ends(plan: Plan, shortened: Mapping[str, str]) -> dict[str, str]:
    """What is to be written in the end: what was shortened for a while is as before, if nothing else."""
    back = {name: plan.before[name] for name in shortened if name not in plan.remove}
    return {**plan.write, **{name: plan.write.get(name, text) for name, text in back.items()}}


def _stop(directory: Path, site: str, shortened: Mapping[str, str], units: list[str], per_user: bool) -> None:
    """Take units off linod.target's list, and stop them: PID 1 would start again what it is to uphold.

    A unit whose file goes while it is active stays behind as failed, and a timer whose calendar
    changes under it may elapse for the past (both seen on systemd 252). PID 1 would stop them by itself
    (StopWhenUnneeded=), hundreds of them only in ten seconds and more, for which other sites would wait.
    """
    if not shortened:
        return
    for name, text in shortened.items():
        files.write_atomically(directory / name, text, owner=site)
    systemd.daemon_reload(per_user=per_user)
    systemd.systemctl("stop", "--", *units, per_user=per_user)


def _remove_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
