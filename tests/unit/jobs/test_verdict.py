"""The words of a Job row for each result that systemd knows of a service."""

from __future__ import annotations

import pytest

from linod_systemd.jobs.verdict import verdict_of
from linod_systemd.store.choices import Status
from linod_systemd.systemd.service_result import ServiceResult


@pytest.mark.parametrize(
    ("result", "code", "status", "expected"),
    [
        ("timeout", "killed", "TERM", (Status.TIMEOUT, "it took longer than the rule's timeout", None)),
        ("signal", "killed", "KILL", (Status.KILLED, "killed by SIGKILL", None)),
        ("core-dump", "dumped", "SEGV", (Status.KILLED, "core dumped by SIGSEGV", None)),
        ("oom-kill", "killed", "KILL", (Status.KILLED, "killed: out of memory", None)),
        ("exit-code", "exited", "7", (Status.FAILED, "exit code 7", 7)),
        ("success", "exited", "0", (Status.FAILED, "exit code 0, without coming to its end", 0)),
        ("resources", "", "", (Status.FAILED, "systemd says resources ( )", None)),
        ("", "", "", (Status.FAILED, "systemd says nothing ( )", None)),
    ],
)
def test_each_result(result: str, code: str, status: str, expected: tuple[Status, str, int | None]) -> None:
    found = verdict_of(ServiceResult("a" * 32, result, code, status))
    assert (found.status, found.reason, found.exit_code) == expected


@pytest.mark.parametrize(("status", "is_stop"), [("TERM", True), ("INT", True), ("KILL", False)])
def test_a_stop_is_none_of_the_rules_failures(status: str, is_stop: bool) -> None:
    assert verdict_of(ServiceResult("a" * 32, "signal", "killed", status)).was_stopped is is_stop


def test_systemd_knows_better_than_a_process_that_was_told_to_stop() -> None:
    for result in ("timeout", "oom-kill"):
        assert verdict_of(ServiceResult("a" * 32, result, "killed", "KILL")).overrules == (Status.KILLED,)
    assert verdict_of(ServiceResult("a" * 32, "exit-code", "exited", "1")).overrules == ()


def test_another_reason_for_the_same_end() -> None:
    found = verdict_of(ServiceResult("a" * 32, "timeout", "killed", "KILL")).but("it was deaf", stopped=True)
    assert (found.status, found.reason, found.was_stopped) == (Status.KILLED, "it was deaf", True)
