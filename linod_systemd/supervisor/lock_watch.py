"""Watch the locks of running rules by inotify(7): the process that held one has ended, whichever way."""

from __future__ import annotations

from pathlib import Path

from inotify_simple import INotify, flags


class LockWatch:
    """``fd`` becomes readable when a process closes, or ends with, a lock file that it had open to write."""

    def __init__(self, folder: Path) -> None:
        """:raises OSError: where the kernel refuses, with the folder."""
        try:
            self._inotify = INotify()
            self._inotify.add_watch(folder, flags.CLOSE_WRITE)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(folder)) from error
        self.fd: int = self._inotify.fileno()

    def take(self) -> list[str]:
        """Return the names of the lock files of which an end has been told since the last time."""
        return [event.name for event in self._inotify.read(timeout=0)]
