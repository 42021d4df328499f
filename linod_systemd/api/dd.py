"""The decorators under the name by which Lino's developers know them."""

from linod_systemd.procedures import background_task, schedule_daily, schedule_often

__all__ = ["background_task", "schedule_daily", "schedule_often"]
