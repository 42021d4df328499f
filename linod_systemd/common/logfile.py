"""Write lino.log, one file for many processes at once."""

from __future__ import annotations

import logging
import logging.handlers
import os
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
