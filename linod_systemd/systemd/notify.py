"""Tell systemd how the supervisor is, by sdnotify (sd_notify(3))."""

from __future__ import annotations

import logging
import os
import time

import sdnotify

logger = logging.getLogger("linod.notify")


class Notifier:
    """Sends states to ``$NOTIFY_SOCKET``; does nothing where systemd gave none."""

    def __init__(self) -> None:
        self.address = os.environ.get("NOTIFY_SOCKET", "")
        self._notifier: sdnotify.SystemdNotifier | None = None

    def _send(self, *assignments: str) -> None:
        if not self.address:
            return
        try:
            if self._notifier is None:
                self._notifier = sdnotify.SystemdNotifier(debug=True)  # else it swallows every error
            self._notifier.notify(_packed(assignments))
        except OSError as error:
            self._notifier = None
            logger.warning("NOTIFY_SOCKET %s cannot be reached: %s", self.address, error)

    def check_every(self, seconds: float) -> float:
        """How long the loop may sleep: ``seconds``, or less where the unit's WatchdogSec= is short."""
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        return min(seconds, int(microseconds) / 2e6) if microseconds.isdigit() else seconds

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={status}")

    def watchdog(self) -> None:
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def main_process(self, process: int) -> None:
        """Another process of the unit is its main one from now on, and ready."""
        self._send(f"MAINPID={process}", "READY=1")

    def extend_timeout(self, seconds: float) -> None:
        """Let the unit's TimeoutStartSec= be over at the earliest in so many seconds."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def stopping(self) -> None:
        self._send("STOPPING=1", "STATUS=stopping")


def _packed(assignments: tuple[str, ...]) -> str:
    """The datagram; a control character in a status must not become an assignment of its own."""
    lines = ("".join(sign if sign.isprintable() else " " for sign in line) for line in assignments)
    # sdnotify encodes to latin-1; this makes it send UTF-8.
    return "\n".join(lines).encode("utf-8", "replace").decode("latin-1")
