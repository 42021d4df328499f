"""ServiceResult: how a service ended, by systemd or else by the journal."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from linod_systemd.common import unit_names
from linod_systemd.sites import config
from linod_systemd.systemd import journal_client, systemctl

LAST_LINE_SECONDS = 2.0  # for PID 1's own last line to reach the journal
LAST_LINES = ("Failed with result", "Deactivated successfully")
CLEAN_CODES = ("0", "75")  # 75 by SuccessExitStatus= of the unit
CLEAN_SIGNALS = ("HUP", "INT", "TERM", "PIPE")  # SuccessExitStatus= in systemd.service(5)
EXIT_CODES = {"1": "exited", "2": "killed", "3": "dumped"}  # CLD_* of waitid(2)


@dataclass(frozen=True)
class ServiceResult:
    """How an invocation of a service ended: $SERVICE_RESULT, $EXIT_CODE, $EXIT_STATUS of systemd.exec(5).

    Example: ``ServiceResult("3f2a…", "signal", "killed", "KILL")``.

    ``result``: ``success``, ``exit-code``, ``signal``, ``timeout``, ``oom-kill``, ``core-dump``, …;
    ``exit_code``: ``exited``, ``killed`` or ``dumped``; ``exit_status``: a number, or the name of a signal.
    """

    invocation_id: str
    result: str
    exit_code: str
    exit_status: str

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> ServiceResult:
        """Read the MONITOR_* variables that a unit named in OnFailure= or OnSuccess= is given."""
        names = ("INVOCATION_ID", "SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS")
        return cls(*(variables.get(f"MONITOR_{name}", "") for name in names))

    @classmethod
    def from_properties(cls, shown: Mapping[str, str]) -> ServiceResult:
        """Read the properties of a unit that has ended, as ``systemctl show`` prints them."""
        code = EXIT_CODES.get(shown["ExecMainCode"], "")
        status = _named(code, shown["ExecMainStatus"])
        result = shown["Result"] if shown["Result"] != "success" else _before_a_reset(code, status)
        return cls(shown["InvocationID"], result, code, status)

    @classmethod
    def from_journal(cls, site: config.Site, invocation_id: str) -> ServiceResult | None:
        """Read PID 1's lines about an invocation, or None: it said nothing of the end.

        :raises JournalAway: where the journal does not answer.
        """
        said = journal_client.end_of_invocation(site, invocation_id)
        if "UNIT_RESULT" not in said:
            return None
        code = said.get("EXIT_CODE", "exited")
        return cls(invocation_id, said["UNIT_RESULT"], code, _named(code, said.get("EXIT_STATUS", "0")))

    def as_environment(self) -> dict[str, str]:
        """Return the MONITOR_* variables, which :meth:`from_environment` reads."""
        return {
            "MONITOR_INVOCATION_ID": self.invocation_id,
            "MONITOR_SERVICE_RESULT": self.result,
            "MONITOR_EXIT_CODE": self.exit_code,
            "MONITOR_EXIT_STATUS": self.exit_status,
        }


@dataclass(frozen=True)
class StillRunning:
    """systemd has not ended the invocation yet."""


def last_known(site: config.Site, rule: str, invocation_id: str) -> ServiceResult | StillRunning | None:
    """Return what systemd, or else the journal, knows of the end of an invocation; None: nothing.

    :raises JournalAway: where only the journal can know.
    """
    unit = unit_names.service(site.unit_prefix, rule)
    names = ("InvocationID", "ActiveState", "Result", "ExecMainCode", "ExecMainStatus")
    for per_user in (False, True):
        if not systemctl.is_running() or (per_user and not os.environ.get("XDG_RUNTIME_DIR")):
            continue
        shown = systemctl.properties(unit, names, per_user=per_user)
        if shown.get("InvocationID") != invocation_id:
            continue
        if shown["ActiveState"] not in ("inactive", "failed"):
            return StillRunning()
        return ServiceResult.from_properties(shown)
    return ServiceResult.from_journal(site, invocation_id)


def _before_a_reset(code: str, status: str) -> str:
    """Return the result that ``systemctl reset-failed`` made a success; it leaves how the process ended."""
    if code == "exited" and status not in CLEAN_CODES:
        return "exit-code"
    if code == "killed" and status not in CLEAN_SIGNALS:
        return "signal"
    return "core-dump" if code == "dumped" else "success"


def _named(code: str, status: str) -> str:
    """Return the exit status as $EXIT_STATUS has it: of a signal its name, such as KILL for 9."""
    if code in ("killed", "dumped"):
        with suppress(ValueError):  # a real-time signal has no name
            return signal.Signals(int(status)).name.removeprefix("SIG")
    return status


def complete_text(site: config.Site, invocation_id: str) -> str:
    """Return what an invocation that has ended logged, once PID 1's line about its end is there, too."""
    deadline = time.monotonic() + LAST_LINE_SECONDS
    while invocation_id:
        text = journal_client.text_of_invocation(site, invocation_id)
        if any(line in text for line in LAST_LINES) or time.monotonic() > deadline:
            return text
        time.sleep(0.1)
    return ""
