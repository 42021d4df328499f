"""The log levels that a rule may name."""

from __future__ import annotations

import enum
import logging


class LogLevels(enum.StrEnum):
    """The log levels of the logging module."""

    NOTSET = "NOTSET"
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"

    @property
    def level(self) -> int:
        return int(getattr(logging, self.value))
