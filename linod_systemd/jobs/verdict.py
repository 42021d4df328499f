"""Put the end of an invocation, as systemd tells it, into the words of a Job row."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from linod_systemd.store.choices import STOP_REASONS, Status
from linod_systemd.systemd.service_result import ServiceResult


@dataclass(frozen=True)
class Verdict:
    """How an invocation ended, in the words of a Job row.

    ``overrules`` are the ends, as the process itself wrote them, that systemd knows better.
    """

    status: Status
    reason: str
    exit_code: int | None = None
    overrules: tuple[Status, ...] = ()
    was_stopped: bool = False

    def but(self, reason: str, *, stopped: bool = False) -> Verdict:
        """Return this end with another reason; ``stopped``: somebody wanted the job to end."""
        if stopped:
            return dataclasses.replace(self, status=Status.KILLED, reason=reason, was_stopped=True)
        return dataclasses.replace(self, reason=reason)


def verdict_of(result: ServiceResult) -> Verdict:
    """Return the end in the words of a Job row."""
    status = result.exit_status
    number = int(status) if status.isdigit() else None
    by_itself = (Status.KILLED,)  # SIGTERM came first, and the process could still write
    match result.result:
        case "timeout":
            return Verdict(Status.TIMEOUT, "it took longer than the rule's timeout", overrules=by_itself)
        case "signal":
            killed = f"killed by SIG{status}"
            return Verdict(Status.KILLED, killed, was_stopped=killed in STOP_REASONS)
        case "core-dump":
            return Verdict(Status.KILLED, f"core dumped by SIG{status}")
        case "oom-kill":
            return Verdict(Status.KILLED, "killed: out of memory", overrules=by_itself)
        case "exit-code":
            return Verdict(Status.FAILED, f"exit code {status}", number)
        case "success" if result.exit_code == "exited":
            return Verdict(Status.FAILED, f"exit code {status}, without coming to its end", number)
        case _:
            said = f"systemd says {result.result or 'nothing'} ({result.exit_code} {status})"
            return Verdict(Status.FAILED, said, number)
