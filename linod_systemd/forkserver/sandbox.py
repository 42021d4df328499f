"""Compare the unit of a job with the supervisor's: a fork has the supervisor's sandbox (systemd.exec(5)).

The templates say the same for both; a drop-in may say otherwise for one.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from linod_systemd.systemd import cgroup
from linod_systemd.systemd.dbus import Bus, BusError

logger = logging.getLogger("linod.sandbox")

# The properties of a service that may differ between a job and the supervisor (org.freedesktop.systemd1(5)).
# Any other one, also one that a later systemd brings, makes the job run cold where it differs.
MAY_DIFFER = re.compile(
    "|".join(
        (
            # How the service is started, watched, stopped, and how it is now.
            r"Exec(Condition|Main|Reload|Start|Stop).*|Main.*|Control(PID|Group.*)|Status.*|.*Result|Result",
            r"Type|ExitType|Restart(|USec.*|Mode|Steps|MaxDelayUSec|KillSignal|ForceExitStatus|PreventExitStatus)",
            r"NRestarts|Timeout.*|Watchdog.*|Runtime(Max|RandomizedExtra)USec|RemainAfterExit|SuccessExitStatus",
            r"Kill.*|FinalKillSignal|Send(SIGHUP|SIGKILL)|ReloadSignal|NotifyAccess|N?FileDescriptorStore.*",
            r"OOMPolicy|UID|GID|GuessMainPID|BusName|PIDFile|USB.*|RootDirectoryStartOnly",
            # The control group of the job's unit holds for the fork, once it is attached.
            r"(Startup)?(Allowed|Effective)(CPUs|Memory.*|Tasks.*)|(Startup)?(BlockIO|IO|CPU)(Accounting|Weight)",
            r"BlockIO.*|CPU(Quota.*|UsageNSec)|(Startup)?CPUShares",
            r"IO(Device.*|Read.*|Write.*)|IPAccounting|IPAddress.*|IP(In|E)gress.*|Device(Allow|Policy)",
            r"(Default|Startup|DefaultStartup)?Memory(Accounting|Available|Current|High|Limit|Low|Max|Min|Peak)",
            r"(Startup)?Memory(Pressure|Swap|ZSwap).*|Tasks.*|ManagedOOM.*|SocketBind.*|RestrictNetworkInterfaces",
            r"BPFProgram|NFTSet|Slice|Delegate.*|DisableControllers",
            # What the fork takes on of its client (forkserver/adopt.py), or has in its streams.
            r"Limit[A-Z]+(Soft)?|Nice|UMask|OOMScoreAdjust|CPU(Affinity|AffinityFromNUMA|Scheduling.*)",
            r"IOScheduling.*|Environment(Files)?|PassEnvironment|UnsetEnvironment|WorkingDirectory",
            r"Standard.*|TTY.*|Syslog.*|Log(LevelMax|RateLimit.*|ExtraFields|FilterPatterns)",
        )
    )
)
# What the supervisor may and a job may not: its forks take on what the unit of the job says.
SUPERVISORS_CALLS = frozenset({"setpriority", "ioprio_set", "sched_setaffinity", "sched_setscheduler"})
HARMLESS = "/10-demo.conf"  # our own, which makes the demo's database

Sandbox = dict[str, Any]


def of(bus: Bus, unit: str) -> Sandbox:
    """Ask systemd for the properties of a service that a job shares with its supervisor.

    :raises BusError: where it does not answer.
    """
    return compared(bus.get_all("Service", unit), unit)


def compared(known: Sandbox, unit: str) -> Sandbox:
    """The properties of a service that a job has to share with its supervisor: name → (D-Bus type, value)."""
    found = {name: value for name, value in known.items() if not MAY_DIFFER.fullmatch(name)}
    if "SystemCallFilter" in found:
        kind, (is_allowed, names) = found["SystemCallFilter"]
        found["SystemCallFilter"] = (kind, (is_allowed, sorted(set(names) - SUPERVISORS_CALLS)))
    of_this_run = f"/runs/{unit.removesuffix('.service')}"
    for name in ("RuntimeDirectory", "RuntimeDirectorySymlink"):
        if name in found:
            kind, folders = found[name]
            found[name] = (kind, [one for one in folders if not _path(one).endswith(of_this_run)])
    return found


def _path(folder: str | Sequence[Any]) -> str:
    """The path of an entry of RuntimeDirectory, or of RuntimeDirectorySymlink: (path, link, flags)."""
    return folder if isinstance(folder, str) else str(folder[0])


def changed(bus: Bus, unit: str) -> Sandbox | None:
    """Ask systemd for these properties of a service that has drop-ins; None: it has none.

    :raises BusError: where it does not answer.
    """
    paths = bus.get("Unit", "DropInPaths", unit)
    return of(bus, unit) if any(not path.endswith(HARMLESS) for path in paths) else None


@dataclass(frozen=True)
class Own:
    """The supervisor's properties at its start (see ``changed``), and its unit's files with their times."""

    unit: str
    changed: Sandbox | None
    times: Mapping[str, int]

    def is_outdated(self) -> bool:
        """Whether its unit was changed since."""
        return not self.times or any(_time(path) != time for path, time in self.times.items())


def own(bus: Bus, unit: str, site_file: Path) -> Own:
    """To be asked when the supervisor starts.

    :param site_file: the SITE.toml, which says more than the unit does.

    :raises BusError: where systemd does not answer.
    """
    file = bus.get("Unit", "FragmentPath", unit)
    paths = [str(site_file), file, f"{file}.d", *bus.get("Unit", "DropInPaths", unit)]
    # Where systemd has not read them yet, this process was started with what they said before.
    stale = _needs_reload(bus, unit)
    return Own(unit, changed(bus, unit), {} if stale else {path: _time(path) for path in paths})


def is_to_be_renewed(own: Own) -> bool:
    """Whether the supervisor's unit was changed since, and systemd has read that."""
    if not own.is_outdated():
        return False
    try:
        with Bus(per_user=cgroup.is_per_user()) as bus:
            return not _needs_reload(bus, own.unit)
    except BusError as error:
        logger.error("%s", error)
        return False


def _needs_reload(bus: Bus, unit: str) -> bool:
    return bool(bus.get("Unit", "NeedDaemonReload", unit))


def _time(path: str) -> int:
    """When a file was changed (nanoseconds); 0: it is not there."""
    try:
        return os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return 0


def differences(bus: Bus, supervisors: Own, unit: str) -> list[str]:
    """Return the properties that differ between a job's unit and its supervisor.

    :raises BusError: where systemd does not answer.
    """
    jobs = changed(bus, unit)
    if supervisors.changed is None and jobs is None:
        return []
    mine = of(bus, supervisors.unit) if supervisors.changed is None else supervisors.changed
    other = of(bus, unit) if jobs is None else jobs
    return differing(mine, other)


def differing(mine: Sandbox, other: Sandbox) -> list[str]:
    """Return the names of the properties that are not the same in both, such as ``["PrivatePIDs"]``."""
    return sorted(name for name in mine.keys() | other.keys() if mine.get(name) != other.get(name))
