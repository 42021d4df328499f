"""The control group of a process (proc(5), cgroups(7)): its unit, its use of CPU and memory, its processes.

A job reads its use before it ends: systemd forgets it with the unit's control group. systemd ends the
processes that a job leaves behind in its unit, and the row of the job says so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
_expected: set[int] = set()


def of(process: str = "self") -> list[str]:
    """The lines of /proc/PID/cgroup, one for each hierarchy; none where the process is gone."""
    try:
        return Path("/proc", process, "cgroup").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []


def is_in(unit: str, process: str = "self") -> bool:
    """Whether a process is in the control group of this unit."""
    return any(line.endswith(f"/{unit}") for line in of(process))


def is_per_user() -> bool:
    """Whether this process runs under its user's own systemd."""
    return any(f"/user@{os.getuid()}.service/" in line for line in of())


@dataclass(frozen=True)
class Usage:
    """CPU seconds of all processes of the control group so far, and the most memory at a time, in bytes."""

    cpu_seconds: float | None = None
    memory_peak: int | None = None

    def since(self, before: Usage) -> Usage:
        """Return the use after ``before`` was read; the peak is that of the whole."""
        if self.cpu_seconds is None or before.cpu_seconds is None:
            return self
        return Usage(self.cpu_seconds - before.cpu_seconds, self.memory_peak)


def usage() -> Usage:
    """That of the control group of this process; it should be its own unit's."""
    folder = group()
    if folder is None:
        return Usage()
    stat = dict(line.split(" ", 1) for line in _read(folder / "cpu.stat").splitlines())
    peak = _read(folder / "memory.peak").strip()
    microseconds = stat.get("usage_usec", "")
    return Usage(
        int(microseconds) / 1e6 if microseconds else None,
        int(peak) if peak else None,
    )


def group() -> Path | None:
    """The control group of this process: of the unified hierarchy; systemd 252 and 257 run on it."""
    unified = (line.removeprefix("0::/") for line in of() if line.startswith("0::"))
    path = next(unified, None)
    return None if path is None else GROUPS / path


def _read(path: Path) -> str:
    """Nothing, where the kernel has no such file: a controller that is not there, an older kernel."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def expect_process(process: int) -> None:
    """This one is none of the job's: the client that waits for it (forkserver/client.py)."""
    _expected.add(process)


def left_behind() -> list[str]:
    """Return the names of the other processes in this process's control group, such as ``["sleep"]``."""
    folder = group()
    if folder is None:
        return []
    try:
        found = {int(line) for line in (folder / "cgroup.procs").read_text(encoding="ascii").split()}
    except OSError:
        return []
    others = found - _expected - {os.getpid(), 0}
    return sorted(name for process in others if (name := _name(process)))


def _name(process: int) -> str:
    """Nothing, where it has just ended."""
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        is_ended = status.rpartition(")")[2].split()[0] == "Z"
        return "" if is_ended else Path(f"/proc/{process}/comm").read_text(errors="replace").strip()
    except OSError:
        return ""
