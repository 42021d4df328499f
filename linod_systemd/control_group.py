"""In which control groups a process is (proc(5), cgroups(7)): its unit, and whose manager started that."""

from __future__ import annotations

import os
from pathlib import Path


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
