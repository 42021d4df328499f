"""Outcome: the end of one attempt, as the runner saw it."""

from __future__ import annotations

from dataclasses import dataclass

from linod_systemd.store.choices import Status
from linod_systemd.systemd.cgroup import Usage


@dataclass(frozen=True)
class Outcome:
    """How a run ended; ``blameless`` where the procedure could not help it."""

    status: Status
    reason: str = ""
    exit_code: int = 0
    details: str = ""
    blameless: bool = False
    usage: Usage = Usage()
