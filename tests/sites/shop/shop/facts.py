"""A procedure that tells a hundred facts of its process, one line each."""

from __future__ import annotations

import datetime
import gc
import json
import locale
import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from linod_systemd import background_task

KINDS = {
    "S_ISCHR": stat.S_ISCHR,
    "S_ISSOCK": stat.S_ISSOCK,
    "S_ISFIFO": stat.S_ISFIFO,
    "S_ISREG": stat.S_ISREG,
}
OF_STATUS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "SigBlk")


@background_task(every_unit="never")
def tells_facts(ar: Any) -> None:
    facts = dict(_facts())
    ar.info("facts %s", json.dumps(facts, sort_keys=True, default=str))


def _facts() -> Iterator[tuple[str, object]]:
    for name, value in os.environ.items():
        yield f"variable {name}", value
    for number in sorted(signal.valid_signals()):
        yield f"signal {number}", str(signal.getsignal(number)).partition(" at 0x")[0]
    for name in dir(resource):
        if name.startswith("RLIMIT_"):
            yield f"limit {name}", resource.getrlimit(getattr(resource, name))
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in OF_STATUS:
            yield f"status {name}", value.strip()
    for handle in (0, 1, 2):
        yield f"terminal {handle}", os.isatty(handle)
    yield "stdin", os.readlink("/proc/self/fd/0")
    yield "read", sys.stdin.read()
    mask = os.umask(0)
    os.umask(mask)
    yield "umask", oct(mask)
    process = psutil.Process()
    yield "nice", process.nice()
    yield "ionice", process.ionice().ioclass
    yield "processors", process.cpu_affinity()
    yield "scheduler", os.sched_getscheduler(0)
    yield "oom", Path("/proc/self/oom_score_adj").read_text()
    yield "directory", os.getcwd()
    yield "arguments", sys.argv
    yield "executable", sys.executable
    yield "prefix", sys.prefix
    yield "flags", sys.flags
    yield "path", sorted(set(sys.path))
    yield "encodings", [sys.getfilesystemencoding(), sys.getdefaultencoding(), locale.getpreferredencoding()]
    yield "streams", [sys.stdout.encoding, sys.stderr.encoding, sys.stdin.encoding]
    yield "locale", locale.setlocale(locale.LC_ALL)
    yield "zones", time.tzname
    yield "offset", datetime.datetime.now().astimezone().utcoffset()
    yield "date", subprocess.run(["date", "+%Z"], capture_output=True, text=True).stdout
    yield "status of a child", subprocess.run(["sh", "-c", "exit 7"]).returncode
    yield (
        "django-admin",
        subprocess.run(["sh", "-c", "command -v python"], capture_output=True, text=True).stdout,
    )
    yield "threads", threading.active_count()
    yield "warnings", len(warnings.filters)
    yield "recursion", sys.getrecursionlimit()
    yield "collector", [gc.isenabled(), gc.get_threshold()]
    for name in ("", "django", "django.request", "shop", "linod.job"):
        logger = logging.getLogger(name)
        handlers = sorted(type(handler).__name__ for handler in logger.handlers)
        yield f"logger {name}", [logger.level, logger.disabled, logger.propagate, handlers]
