"""Give a fork what its unit gave the main process: environment, limits, priority (systemd.exec(5)).

Not its sandbox, which no process can take on; the supervisor's is the same (hardening.conf.j2).
"""

from __future__ import annotations

import os
import re
import resource
from pathlib import Path

import psutil

from linod_systemd.errors import LinodError
from linod_systemd.sites import load_effects
from linod_systemd.sites.load_effects import LIMITS

UMASK = re.compile(r"^Umask:\s*([0-7]+)$", re.MULTILINE)


class LikenessError(LinodError):
    """Something of the other process that this one may not take on."""


def take_on(other: int, directory: str) -> None:
    """Become like another process of this user: environment, directory, umask, priorities, limits.

    :param directory: its own.
    :raises LikenessError: where the kernel refuses something of it, or the other is gone.
    """
    try:
        _take_on(psutil.Process(other), psutil.Process())
        os.chdir(directory)
    except (OSError, ValueError, psutil.Error) as error:
        raise LikenessError(f"what the unit gives its jobs cannot be taken on ({error})") from error


def _take_on(other: psutil.Process, mine: psutil.Process) -> None:
    _priorities(other, mine)
    for limit in LIMITS:
        wanted = resource.prlimit(other.pid, limit)
        was, _ = load_effects.effects.limits.get(limit, (None, None))
        if wanted not in (was, resource.getrlimit(limit)):  # what the site lowered, a fork cannot raise again
            resource.setrlimit(limit, wanted)
    umask = UMASK.search(Path("/proc", str(other.pid), "status").read_text())
    if umask is None:
        raise ValueError("the kernel tells no umask")
    os.umask(int(umask[1], 8))
    environment = other.environ()
    os.environ.clear()
    os.environ.update(environment)


def _priorities(other: psutil.Process, mine: psutil.Process) -> None:
    if (nice := other.nice()) != mine.nice():
        mine.nice(nice)
    if (scheduler := os.sched_getscheduler(other.pid)) != os.sched_getscheduler(0):
        os.sched_setscheduler(0, scheduler, os.sched_getparam(other.pid))
    if (processors := os.sched_getaffinity(other.pid)) != os.sched_getaffinity(0):
        os.sched_setaffinity(0, processors)
    if (priority := other.ionice()) != mine.ionice():
        has_levels = priority.ioclass in (psutil.IOPRIO_CLASS_RT, psutil.IOPRIO_CLASS_BE)
        mine.ionice(priority.ioclass, priority.value if has_levels else None)
    adjustment = Path("/proc", str(other.pid), "oom_score_adj").read_text()
    if adjustment != (own := Path("/proc/self/oom_score_adj")).read_text():
        own.write_text(adjustment)
