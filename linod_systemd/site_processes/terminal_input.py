"""Pass root's input on to a process of a site: keys that root types, or a pipe."""

from __future__ import annotations

import os
from typing import IO

PART = 65536  # bytes that are handed on at a time


class Feeder:
    """Hands on what root types or pipes in; a process that does not read it holds nothing up."""

    def __init__(self, source: int, target: IO[bytes]) -> None:
        self._source = source
        self._target = target
        self._pending = b""
        self._is_over = False
        os.set_blocking(target.fileno(), False)

    def waits_for(self) -> tuple[list[int], list[int]]:
        """The descriptors that are to be watched: for reading, for writing."""
        if self._is_over:
            return [], []
        return ([], [self._target.fileno()]) if self._pending else ([self._source], [])

    def move(self) -> None:
        """Hand on what is there, after one of these is ready."""
        if not self._pending:
            self._pending = os.read(self._source, PART)
        if not self._pending:  # the end of root's input is the end of the process's
            self._end()
            return
        try:
            self._pending = self._pending[os.write(self._target.fileno(), self._pending) :]
        except BlockingIOError:
            return
        except OSError:  # nobody reads it any more
            self._end()

    def _end(self) -> None:
        self._is_over = True
        if not os.isatty(self._target.fileno()):
            self._target.close()
