"""Watch the locks of running rules by inotify(7): the process that held one has ended, whichever way."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path

IN_CLOSE_WRITE = 0x8
EVENT = "iIII"  # struct inotify_event: watch, mask, cookie, size of the name that follows
EVENT_SIZE = struct.calcsize(EVENT)

_libc = ctypes.CDLL(None, use_errno=True)


class LockWatch:
    """``fd`` becomes readable when a process closes, or ends with, a lock file that it had open to write."""

    def __init__(self, folder: Path) -> None:
        """:raises OSError: where the kernel refuses."""
        self.fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), folder)
        _checked(_libc.inotify_add_watch(self.fd, os.fsencode(folder), IN_CLOSE_WRITE), folder)

    def take(self) -> list[str]:
        """The names of the lock files of which an end has been told since the last time."""
        try:
            events = os.read(self.fd, 65536)
        except BlockingIOError:
            return []
        names = []
        while events:
            _, _, _, size = struct.unpack_from(EVENT, events)
            name = events[EVENT_SIZE : EVENT_SIZE + size].rstrip(b"\0")
            names.append(os.fsdecode(name))
            events = events[EVENT_SIZE + size :]
        return names


def _checked(result: int, folder: Path) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
    return result
