"""What started this process: a timer, a person, systemd at all; and on which host and boot."""

from __future__ import annotations

import functools
import logging
import os
import socket
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from linod_systemd import control_group, systemd, unitnames
from linod_systemd.bus import Bus, BusError
from linod_systemd.conf import Site

logger = logging.getLogger("linod.invocation")

# The timer may elapse a little before its instant, by the conversion between clocks.
ROUNDING = timedelta(milliseconds=500)


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
    unit = unitnames.service(site.unit_prefix, rule)
    if not control_group.is_in(unit):
        return Invocation()
    invocation_id = os.environ.get("INVOCATION_ID", "")
    if not os.environ.get("TRIGGER_UNIT"):
        return Invocation(invocation_id)
    timer = unitnames.timer(site.unit_prefix, rule)
    return Invocation(invocation_id, _triggered_at(timer, unit, per_user=control_group.is_per_user()))


def _triggered_at(timer: str, service: str, *, per_user: bool) -> datetime | None:
    """When the timer elapsed that started this run of the service, or None: a person did.

    TRIGGER_TIMER_REALTIME_USEC cannot be used: the service keeps the variables of its first elapse for
    all later starts, those by hand included (seen on systemd 252). So the timer itself is asked: if it
    has elapsed since the boot and since the service last ended, it is what started it. That is told by the
    monotonic clock, which is not set: the real one may have been ahead when the service last ended.
    """
    try:
        with Bus(per_user=per_user) as bus:
            # Not by systemctl, whose version 252 gives whole seconds of this one timestamp.
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


def is_shutting_down() -> bool:
    """Whether this machine goes down; False where systemd does not answer."""
    try:
        with Bus() as bus:
            return bool(bus.get("Manager", "SystemState") == "stopping")
    except BusError as error:
        logger.warning("it is not known whether the machine goes down: %s", error)
        return False


def host_name() -> str:
    return socket.gethostname()


@functools.cache
def booted_at() -> datetime:
    """When PID 1 of this machine or container started (UTC, to a hundredth of a second).

    :raises BusError: in a unit, where ProtectProc= hides PID 1, if systemd does not answer.
    """
    if not os.path.exists("/proc/1/stat"):
        with Bus() as bus:
            started = bus.instant("Manager", "UserspaceTimestamp")
        if started is None:
            raise BusError("systemd does not say when it started", "see: systemctl show")
        return started
    ticks = int(_pid_1_started()) / os.sysconf("SC_CLK_TCK")
    kernel = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return datetime.fromtimestamp(kernel + ticks, UTC)


def boot_id() -> str:
    """A name for the running boot of this machine or container, 32 hexadecimal digits.

    A unit is told it by PID 1 ($LINOD_BOOT_ID, systemd's %b): ProtectKernelTunables= lets a unit in a
    container see the kernel's boot_id of the host, which stays the same over boots of the container (seen
    on systemd 252). Where there is no systemd, the start of PID 1 tells such boots apart.
    """
    told = os.environ.get("LINOD_BOOT_ID", "")
    if told:
        return told
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    if systemd.is_running():
        return uuid.UUID(kernel).hex
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{kernel} {_pid_1_started()}").hex


def _pid_1_started() -> str:
    """Clock ticks from the kernel's boot (proc(5): field 22, counted after the command's name)."""
    return Path("/proc/1/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
