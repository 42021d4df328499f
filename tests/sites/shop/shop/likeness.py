"""Procedures that tell what their process is like, and use what a control group counts."""

from __future__ import annotations

import json
import os
import resource
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from linod_systemd import background_task

VERSION = 1  # a test edits this line, and reloads


@background_task(every_unit="never")
def tells_its_likeness(ar: Any) -> None:
    process = psutil.Process()
    umask = os.umask(0)
    os.umask(umask)
    told = {
        "COLOUR": os.environ.get("COLOUR"),
        "INVOCATION_ID": os.environ.get("INVOCATION_ID") == ar.job.invocation_id,
        "directory": os.getcwd(),
        "umask": umask,
        "nice": process.nice(),
        "ionice": process.ionice().ioclass,
        "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "size": resource.getrlimit(resource.RLIMIT_FSIZE),
        "processors": process.cpu_affinity(),
        "oom": Path("/proc/self/oom_score_adj").read_text().strip(),
        "stdin": stat.S_ISCHR(os.fstat(0).st_mode),
        "group": Path("/proc/self/cgroup").read_text().rpartition("/")[2].strip(),
        "threads": len(os.listdir("/proc/self/task")),
        "open": sorted(os.readlink(f"/proc/self/fd/{number}").partition(":")[0] for number in (0, 1, 2)),
    }
    print("printed")
    ar.info("likeness %s", json.dumps(told, sort_keys=True))


@background_task(every_unit="never")
def leaves_a_file_in_tmp(ar: Any) -> None:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        ar.info("tmp %s", file.name)


@background_task(every_unit="never")
def burns_a_second(ar: Any) -> None:
    held = b"x" * 32 * 2**20
    end = time.process_time() + 1
    while time.process_time() < end:
        pass
    ar.info("%d bytes", len(held))


@background_task(every_unit="never")
def tells_its_version(ar: Any) -> None:
    ar.info("version %d", VERSION)


@background_task(every_unit="never")
def waits_and_tells_its_version(ar: Any) -> None:
    while not os.path.exists("/var/lib/linod/shop/go"):
        time.sleep(0.1)
    ar.info("version %d", VERSION)


@background_task(every_unit="never")
def forgets_its_threads(ar: Any) -> None:
    """A thread that is not a daemon is waited for, as python does at its own exit."""
    import threading

    def later() -> None:
        time.sleep(0.5)
        Path("/var/lib/linod/shop/threads-end").write_text("x")

    threading.Thread(target=later).start()
