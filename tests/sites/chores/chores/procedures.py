"""What the chores do."""

from __future__ import annotations

from typing import Any

from linod_systemd import background_task, schedule_often


@schedule_often(every=2)
def sweep(ar: Any) -> None:
    """Say for which row this is."""
    ar.info("swept for %s", ar.rule)


@schedule_often(every=2)
def drop(ar: Any) -> None:
    """Fail."""
    raise ValueError("a plate is broken")


@background_task(every_unit="never")
def polish(ar: Any) -> None:
    """Only when asked for."""
    ar.info("polished")
