"""What systemd says of the end of an invocation, in the words of a Job row. Needs no loaded site."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from linod_systemd.common import unit_names
from linod_systemd.sites import config
from linod_systemd.store.choices import STOP_REASONS, Status
from linod_systemd.systemd import journal_client, systemctl

PATIENCE = 2.0  # seconds for PID 1's own last line to reach the journal
LAST_LINES = ("Failed with result", "Deactivated successfully")
EXIT_CODES = {"1": "exited", "2": "killed", "3": "dumped"}  # CLD_* of waitid(2)


@dataclass(frozen=True)
class Verdict:
    """How an invocation ended.

    ``overrules`` are the ends, as the process itself wrote them, that systemd knows better.
    """

    invocation_id: str
    status: Status
    reason: str
    exit_code: int | None = None
    overrules: tuple[Status, ...] = ()
    was_stopped: bool = False

    def but(self, reason: str, *, stopped: bool = False) -> Verdict:
        """The same for another reason; ``stopped``: somebody wanted it to end."""
        if stopped:
            return dataclasses.replace(self, status=Status.KILLED, reason=reason, was_stopped=True)
        return dataclasses.replace(self, reason=reason)


def verdict(monitored: Mapping[str, str]) -> Verdict:
    """Read the MONITOR_* variables of systemd.exec(5)."""
    invocation_id = monitored.get("MONITOR_INVOCATION_ID", "")
    result = monitored.get("MONITOR_SERVICE_RESULT", "")
    code, status = monitored.get("MONITOR_EXIT_CODE", ""), monitored.get("MONITOR_EXIT_STATUS", "")
    number = int(status) if status.isdigit() else None
    by_itself = (Status.KILLED,)  # SIGTERM came first, and the process could still write
    match result:
        case "timeout":
            reason = "it took longer than the rule's timeout"
            return Verdict(invocation_id, Status.TIMEOUT, reason, overrules=by_itself)
        case "signal":
            killed = f"killed by SIG{status}"
            return Verdict(invocation_id, Status.KILLED, killed, was_stopped=killed in STOP_REASONS)
        case "core-dump":
            return Verdict(invocation_id, Status.KILLED, f"core dumped by SIG{status}")
        case "oom-kill":
            return Verdict(invocation_id, Status.KILLED, "killed: out of memory", overrules=by_itself)
        case "exit-code":
            return Verdict(invocation_id, Status.FAILED, f"exit code {status}", number)
        case "success" if code == "exited":
            reason = f"exit code {status}, without coming to its end"
            return Verdict(invocation_id, Status.FAILED, reason, number)
        case _:
            said = f"systemd says {result or 'nothing'} ({code} {status})"
            return Verdict(invocation_id, Status.FAILED, said, number)


def last_known(site: config.Site, rule: str, invocation_id: str) -> dict[str, str] | None:
    """What systemd still knows of an invocation, or else the journal, as MONITOR_* variables; empty if
    nothing, None while its unit has not ended.

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
            return None
        code = EXIT_CODES.get(shown["ExecMainCode"], "")
        return _monitored(invocation_id, shown["Result"], code, shown["ExecMainStatus"])
    return from_journal(invocation_id)


def from_journal(invocation_id: str) -> dict[str, str]:
    """What the journal knows of the end of an invocation, as MONITOR_* variables; empty if nothing.

    :raises JournalAway: where it does not answer.
    """
    said = journal_client.end_of_invocation(invocation_id)
    if "UNIT_RESULT" not in said:
        return {}
    code, status = said.get("EXIT_CODE", "exited"), said.get("EXIT_STATUS", "0")
    return _monitored(invocation_id, said["UNIT_RESULT"], code, status)


def _monitored(invocation_id: str, result: str, code: str, status: str) -> dict[str, str]:
    if code in ("killed", "dumped"):
        with suppress(ValueError):  # a real-time signal has no name
            status = signal.Signals(int(status)).name.removeprefix("SIG")
    return {
        "MONITOR_INVOCATION_ID": invocation_id,
        "MONITOR_SERVICE_RESULT": result,
        "MONITOR_EXIT_CODE": code,
        "MONITOR_EXIT_STATUS": status,
    }


def complete_text(invocation_id: str) -> str:
    """What an invocation that has ended logged, once PID 1's line about its end is there, too."""
    deadline = time.monotonic() + PATIENCE
    while invocation_id:
        text = journal_client.text_of_invocation(invocation_id)
        if any(line in text for line in LAST_LINES) or time.monotonic() > deadline:
            return text
        time.sleep(0.1)
    return ""
