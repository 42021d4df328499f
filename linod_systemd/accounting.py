"""What a job has used, as its control group says (cgroups(7)), where the kernel gives it.

A job reads it before it ends: systemd forgets it with the unit's control group.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from linod_systemd import control_group

GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Usage:
    """CPU seconds of all processes of the control group so far, and the most memory at a time, in bytes."""

    cpu_seconds: float | None = None
    memory_peak: int | None = None

    def since(self, before: Usage) -> Usage:
        """What was used after ``before`` was read; the peak is that of the whole."""
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
    unified = (line.removeprefix("0::/") for line in control_group.of() if line.startswith("0::"))
    path = next(unified, None)
    return None if path is None else GROUPS / path


def _read(path: Path) -> str:
    """Nothing, where the kernel has no such file: a controller that is not there, an older kernel."""
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
