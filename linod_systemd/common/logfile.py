"""Write lino.log, one file for many processes at once."""

from __future__ import annotations

import errno
import logging
import logging.handlers
import os
import stat
import sys
from io import TextIOWrapper
from pathlib import Path

from linod_systemd.common.text import visible

FORMAT = "%(asctime)s %(levelname)s [%(name)s %(process)d] : %(message)s"


def one_record(text: str) -> str:
    """The text so that only its first line can be taken for the beginning of a record.

    Further lines are indented, control characters escaped.
    """
    return visible(text).replace("\n", "\n    ") + "\n"


class LinoLogHandler(logging.handlers.WatchedFileHandler):
    """Appends each record by one write(2), so that records of several processes never mix.

    The file is opened O_APPEND, for which write(2) finds the end and writes in one step. Where logrotate
    has renamed it, WatchedFileHandler opens the new one.
    """

    def __init__(self, path: Path, formatter: logging.Formatter) -> None:
        super().__init__(path, encoding="utf-8", delay=True)
        self.setFormatter(formatter)
        self.is_told = False

    def _open(self) -> TextIOWrapper:
        """:raises OSError: also where it is a FIFO, which would wait for its reader."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        handle = os.open(self.baseFilename, flags, 0o666)
        if stat.S_ISFIFO(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "it is a FIFO")
        return open(handle, "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        """Say once, in one line, that it cannot be written: the journal has all records."""
        error = sys.exc_info()[1]
        if not self.is_told:
            self.is_told = True
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            print(f"linod: {self.baseFilename} cannot be written ({reason})", file=sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.reopenIfNeeded()
            if self.stream is None:
                self.stream = self._open()
                self._statstream()
            data = one_record(self.format(record)).encode("utf-8", "backslashreplace")
            written = os.write(self.stream.fileno(), data)
            if written != len(data):
                raise OSError(f"only {written} of {len(data)} bytes of a record fit into {self.baseFilename}")
        except Exception:
            self.handleError(record)
