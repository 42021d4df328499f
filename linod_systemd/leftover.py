"""Processes that a job leaves behind in its unit: systemd ends them with it, and its row says so."""

from __future__ import annotations

import os
from pathlib import Path

from linod_systemd import accounting

_expected: set[int] = set()


def expect(process: int) -> None:
    """This one is none of the job's: the client that waits for it (client.py)."""
    _expected.add(process)


def names() -> list[str]:
    """The names of the other processes in the control group of this one, its own unit's."""
    group = accounting.group()
    if group is None:
        return []
    try:
        found = {int(line) for line in (group / "cgroup.procs").read_text(encoding="ascii").split()}
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
