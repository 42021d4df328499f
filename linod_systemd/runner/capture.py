"""Keep the beginning and the end of a job's log for ``Job.message``, with a note of the cut between."""

from __future__ import annotations

import logging
from collections import deque

from linod_systemd.common.text import storable


class Capture(logging.Handler):
    """Keeps the formatted records, at most ``half`` characters from each end."""

    def __init__(self, level: int, half: int) -> None:
        super().__init__(level)
        self.setFormatter(logging.Formatter("%(message)s"))
        self.half = half
        self.room = half
        self.head: list[str] = []
        self.tail: deque[str] = deque()
        self.tail_size = 0
        self.cut = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.add(self.format(record))
        except Exception:
            self.handleError(record)

    def add(self, text: str) -> None:
        line = storable(text) + "\n"
        if self.room:
            first, line = line[: self.room], line[self.room :]
            self.head.append(first)
            self.room -= len(first)
        if line:
            self.tail.append(line)
            self.tail_size += len(line)
        while self.tail_size > self.half:
            excess = self.tail_size - self.half
            oldest = self.tail.popleft()
            if len(oldest) > excess:
                self.tail.appendleft(oldest[excess:])
            gone = min(len(oldest), excess)
            self.tail_size -= gone
            self.cut += gone

    def text(self) -> str:
        note = (
            f"\n[… {self.cut} characters cut here; lino.log and the journal have all …]\n" if self.cut else ""
        )
        return ("".join(self.head) + note + "".join(self.tail)).rstrip("\n")
