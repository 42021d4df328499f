"""Tell the cost of a loaded site: the supervisor's memory, and the memory that each fork adds."""

from __future__ import annotations

import psutil

from linod_systemd.common import files, unit_names
from linod_systemd.sites import config
from linod_systemd.systemd import systemctl

MIB = 2**20


def note_fork(site: config.Site) -> None:
    """Keep what this process, a fork of the supervisor that has done its work, has of its own.

    :raises OSError: where that cannot be read or written.
    """
    own = psutil.Process().memory_full_info().uss
    files.write_atomically(site.fork_memory_file, f"{own}\n", mode=0o640)


def slice_in_words(site: config.Site) -> str:
    """Say in a line what all processes of the site use together, and their limits.

    Example: ``linod-shop.slice: memory 93.1 MiB (at most 123.0 MiB); tasks 2 (at most 9); CPU weight 100``.
    """
    names = ("MemoryCurrent", "MemoryMax", "TasksCurrent", "TasksMax", "CPUWeight", "ActiveState")
    shown = systemctl.properties(site.slice, names) if systemctl.is_running() else {}
    if shown.get("ActiveState") != "active":
        return f"{site.slice} does not run: none of its processes does"
    memory, limit = (_size(shown.get(name, "")) for name in ("MemoryCurrent", "MemoryMax"))
    tasks, most = (_number(shown.get(name, "")) for name in ("TasksCurrent", "TasksMax"))
    weight = _number(shown.get("CPUWeight", ""))
    used = f"memory {memory} (at most {limit}); tasks {tasks} (at most {most}); CPU weight {weight}"
    return f"{site.slice}: {used}"


def _number(text: str) -> str:
    """A property that is a number; where the kernel does not count it, or nothing limits it, in words."""
    return (
        text if text.isdigit() and len(text) < 20 else {"infinity": "no limit"}.get(text, "not counted here")
    )


def _size(text: str) -> str:
    number = _number(text)
    return f"{int(number) / MIB:.1f} MiB" if number.isdigit() else number


def in_words(site: config.Site) -> str:
    """A line for people: the supervisor's share of memory (PSS, smaps(5)), and what a job adds to it."""
    unit = unit_names.supervisor(site.name)
    shown = systemctl.properties(unit, ["MainPID"]) if systemctl.is_running() else {}
    process = int(shown.get("MainPID", "0"))
    if process == 0:
        return f"{unit} does not run: jobs start cold"
    try:
        share = psutil.Process(process).memory_full_info().pss
        fork = int(site.fork_memory_file.read_text(encoding="ascii"))
    except (OSError, ValueError, psutil.Error) as error:
        return f"{unit}: its memory is not known ({error})"
    ready = "has the site loaded" if site.preload else "does not keep the site loaded: jobs start cold"
    return f"{unit} {ready}: {share / MIB:.1f} MiB (PSS); a job adds some {fork / MIB:.1f} MiB"
