"""Report: the result of one chore of the supervisor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """What there is to tell of it. Not ``settled``: systemd is still ending what a process left behind."""

    status: str = ""
    error: str = ""
    settled: bool = True
