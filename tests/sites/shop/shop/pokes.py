"""A procedure that tries what a job has no business with, and tells what it could do."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from linod_systemd import background_task

FAMILIES = ("AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_ALG", "AF_VSOCK", "AF_BLUETOOTH")
CLONE_NEWUSER = 0x10000000
libc = ctypes.CDLL(None, use_errno=True)


def unshare() -> None:
    if libc.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")


def outcome(attempt: Callable[[], Any]) -> str:
    """``done``, or the name of the error."""
    try:
        attempt()
    except OSError as error:
        return type(error).__name__ if error.errno is None else os.strerror(error.errno)
    return "done"


def write(path: str) -> Callable[[], Any]:
    return lambda: Path(path).write_text("x")


def read(path: str) -> Callable[[], Any]:
    return lambda: Path(path).read_bytes()


def make_set_uid() -> None:
    with tempfile.NamedTemporaryFile() as file:
        os.chmod(file.name, 0o4700)


ATTEMPTS: dict[str, Callable[[], Any]] = {
    "write /etc": write("/etc/x"),
    "write /usr": write("/usr/x"),
    "write /var/lib": write("/var/lib/x"),
    "write /srv/shop": write("/srv/shop/x"),
    "write the writable folder": write("/srv/media/x"),
    "write its state": write("/var/lib/linod/shop/x"),
    "write its log": write("/var/log/linod/shop/x"),
    "write /tmp": write("/tmp/from-a-job"),
    "list /home": lambda: os.listdir("/home/shop"),
    "read /root": read("/root/.bashrc"),
    "write /home": write("/home/x"),
    "write /root": write("/root/x"),
    "write /run/user": write("/run/user/x"),
    "list another's state": lambda: os.listdir("/var/lib/linod/default"),
    "read another's rules": read("/var/lib/linod/default/rules.json"),
    "read another's log": read("/var/log/linod/default/lino.log"),
    "read another's database": read("/var/lib/linod/default/db.sqlite3"),
    "see another's process": lambda: os.stat("/proc/1"),
    "become root": lambda: os.setuid(0),
    "change an owner": lambda: os.chown("/var/lib/linod/shop", 0, 0),
    "make a set-uid file": make_set_uid,
    "make a namespace": unshare,
    "kill PID 1": lambda: os.kill(1, signal.SIGTERM),
    "write a control group": write("/sys/fs/cgroup/linod.slice/linod-shop.slice/cgroup.procs"),
    "os.nice": lambda: os.nice(1),
    "sched_setaffinity": lambda: os.sched_setaffinity(0, {0}),
    "map memory to write and run": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | 4),
    "start a program": lambda: subprocess.run(["/bin/true"], check=True),
}


@background_task(every_unit="never")
def pokes(ar: Any) -> None:
    """Tell as JSON how each attempt ended."""
    found = {what: outcome(attempt) for what, attempt in ATTEMPTS.items()}
    for family in FAMILIES:
        found[family] = outcome(lambda name=family: socket.socket(getattr(socket, name)).close())  # type: ignore[misc]
    ar.info("%s", json.dumps(found))


@background_task(every_unit="never")
def tells_what_it_was_given(ar: Any) -> None:
    """Use a secret of the environment and a credential, and say only whether they are there."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder, "api-key").read_text() if folder else None
    ar.info(
        "%s",
        json.dumps({"environment": len(os.environ.get("SECRET", "")), "credential": credential == "k3y\n"}),
    )


@background_task(every_unit="never")
def forges(ar: Any) -> None:
    """Log what a terminal would obey, and lines that look like other records."""
    ar.info("a\x1b]0;owned\x07\x1b[31m\x9b31m\u202egnp.exe\r2026-11-24 00:00:00,000 INFO [x 1] : forged")
    ar.info("b\n2026-11-24 00:00:00,000 INFO [x 1] : forged\nNov 24 00:00:00 vm systemd[1]: forged")
    raise Warning("c\x1b[2J\u202e\x9b2J")
