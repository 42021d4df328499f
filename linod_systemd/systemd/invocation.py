"""Tell who started this process, a timer or a person; and mark that its row has an end.

PID 1 makes the folder ``runs/UNIT`` of a job's unit (RuntimeDirectory=), into which the site's user writes.
The process that has ended the row leaves a file there; where it is missing, OnSuccess= starts the process
that writes the end: also an os._exit(0) of a procedure, which systemd takes for a success, leaves no row that
runs for ever. The client or, in a cold run, linod-run removes the file of the run before (client.begin_run).
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from linod_systemd.common import unit_names
from linod_systemd.sites.config import Site
from linod_systemd.systemd import cgroup
from linod_systemd.systemd.dbus import Bus, BusError

logger = logging.getLogger("linod.invocation")

# The timer may elapse a little before its instant, by the conversion between clocks.
ROUNDING = timedelta(milliseconds=500)
ENDED_MARK = (
    "ended"  # the name of that file; forkserver/client.py, which imports nothing of ours, has it, too
)


@dataclass(frozen=True)
class Invocation:
    """How systemd started this process; ``id`` is empty where it did not.

    ``rang``: when the timer elapsed that did it (UTC); None: a person asked.
    """

    id: str = ""
    rang: datetime | None = None

    @property
    def by_systemd(self) -> bool:
        return bool(self.id)


def current(site: Site, rule: str) -> Invocation:
    """Read the invocation of this process from its environment (systemd.exec(5)).

    The variables are inherited by whatever a service starts, so they are believed only in the rule's
    own unit: a shell in some other service that runs linod-run is a person.
    """
    unit = unit_names.service(site.unit_prefix, rule)
    if not cgroup.is_in(unit):
        return Invocation()
    invocation_id = os.environ.get("INVOCATION_ID", "")
    if not os.environ.get("TRIGGER_UNIT"):
        return Invocation(invocation_id)
    timer = unit_names.timer(site.unit_prefix, rule)
    return Invocation(invocation_id, _triggered_at(timer, unit, per_user=cgroup.is_per_user()))


def _triggered_at(timer: str, service: str, *, per_user: bool) -> datetime | None:
    """When the timer elapsed that started this run of the service, or None: a person did.

    TRIGGER_TIMER_REALTIME_USEC cannot be used: the service keeps the variables of its first elapse for
    all later starts, those by hand included (docs/systemd-facts.md, 17). So the timer itself is asked: if it
    has elapsed since the boot and since the service last ended, it is what started it. That is told by the
    monotonic clock, which is not set: the real one may have been ahead when the service last ended.
    """
    try:
        with Bus(per_user=per_user) as bus:
            # Not by systemctl, which gives whole seconds on 252 (docs/systemd-facts.md, 18).
            elapsed = bus.instant("Timer", "LastTriggerUSec", timer)
            # None since the boot: a Persistent= timer then gives the time of its stamp.
            since_boot = int(bus.get("Timer", "LastTriggerUSecMonotonic", timer))
            ended = int(bus.get("Unit", "InactiveEnterTimestampMonotonic", service))
    except BusError as error:
        logger.warning(
            "%s: taken for started by its timer now, as systemd does not answer: %s", service, error
        )
        return datetime.now(UTC)
    return elapsed if since_boot and since_boot >= ended else None


def mark_ended(site: Site, rule: str) -> None:
    """Note that the row of this unit's run has its end.

    :raises OSError: where the mark cannot be written.
    """
    unit = unit_names.service(site.unit_prefix, rule).removesuffix(".service")
    for folder in os.environ.get("RUNTIME_DIRECTORY", "").split(":"):
        if Path(folder).name == unit and Path(folder).is_dir():
            Path(folder, ENDED_MARK).touch()
