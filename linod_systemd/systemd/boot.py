"""Tell which boot of this machine or container is running, since when, and whether it goes down."""

from __future__ import annotations

import functools
import logging
import os
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from linod_systemd.systemd import systemctl
from linod_systemd.systemd.dbus import Bus, BusError

logger = logging.getLogger("linod.boot")


def is_shutting_down() -> bool:
    """Whether this machine goes down; False where systemd does not answer."""
    try:
        with Bus() as bus:
            return bool(bus.get("Manager", "SystemState") == "stopping")
    except BusError as error:
        logger.warning("it is not known whether the machine goes down: %s", error)
        return False


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
    container see the boot_id of the host, which stays the same over boots of the container
    (docs/systemd-facts.md, 30). Where there is no systemd, the start of PID 1 tells such boots apart.
    """
    told = os.environ.get("LINOD_BOOT_ID", "")
    if told:
        return told
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    if systemctl.is_running():
        return uuid.UUID(kernel).hex
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{kernel} {_pid_1_started()}").hex


def _pid_1_started() -> str:
    """Clock ticks from the kernel's boot (proc(5): field 22, counted after the command's name)."""
    return Path("/proc/1/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
