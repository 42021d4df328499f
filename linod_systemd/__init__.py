"""Background tasks of a Lino or Django site, run by systemd.

The names that a developer of a site uses are reached from here. They are looked up on first use,
so that the small entry points (linod-run, linod-generate-units, the client of a warm job) import nothing that
they don't need.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself would cost each job 5 ms
if TYPE_CHECKING:
    from typing import Any

    from linod_systemd.procedures import (
        LogLevels,
        Procedure,
        Procedures,
        background_task,
        schedule_daily,
        schedule_often,
    )
    from linod_systemd.tasks import Tasks

__all__ = [
    "LogLevels",
    "Procedure",
    "Procedures",
    "Tasks",
    "background_task",
    "schedule_daily",
    "schedule_often",
]


def __getattr__(name: str) -> Any:
    if name == "Plugin":  # Lino asks each of its plugins for it
        from linod_systemd.lino import Plugin

        return Plugin
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = "tasks" if name == "Tasks" else "procedures"
    return getattr(import_module(f"{__name__}.{module}"), name)
