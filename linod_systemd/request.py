"""``ar``, the request that a procedure is called with."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from linod_systemd.stopping import is_stopping

if TYPE_CHECKING:
    from linod_systemd.job import Job


@dataclass(frozen=True)
class Request:
    """The rule and the job of this run, and a logger whose records reach the job's message.

    ``rule`` is the site's own row, such as a JobRule; a plain Rule where the database is away.
    """

    rule: Any
    job: Job
    logger: logging.Logger

    @property
    def stopping(self) -> bool:
        """Whether the job is to come to an end: a long one that asks is not interrupted (stopping.py)."""
        return is_stopping()

    def debug(self, message: str, *args: Any) -> None:
        self.logger.debug(message, *args, stacklevel=2)

    def info(self, message: str, *args: Any) -> None:
        self.logger.info(message, *args, stacklevel=2)

    def warning(self, message: str, *args: Any) -> None:
        self.logger.warning(message, *args, stacklevel=2)

    def error(self, message: str, *args: Any) -> None:
        self.logger.error(message, *args, stacklevel=2)
