"""How a service ended, read from the environment of a process, and from the properties of a unit."""

from __future__ import annotations

import pytest

from linod_systemd.systemd.service_result import ServiceResult

KILLED = ServiceResult("a" * 32, "signal", "killed", "KILL")


def test_the_variables_of_a_process_that_onfailure_starts() -> None:
    variables = {
        "MONITOR_INVOCATION_ID": "a" * 32,
        "MONITOR_SERVICE_RESULT": "signal",
        "MONITOR_EXIT_CODE": "killed",
        "MONITOR_EXIT_STATUS": "KILL",
        "MONITOR_UNIT": "linod-checkdata.service",
        "HOME": "/srv/shop",
    }
    assert ServiceResult.from_environment(variables) == KILLED
    assert ServiceResult.from_environment(KILLED.as_environment()) == KILLED


def test_none_of_the_variables() -> None:
    assert ServiceResult.from_environment({}) == ServiceResult("", "", "", "")


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("1", "7", ("exited", "7")),
        ("2", "9", ("killed", "KILL")),
        ("3", "11", ("dumped", "SEGV")),
        ("2", "40", ("killed", "40")),  # a real-time signal has no name
        ("0", "0", ("", "0")),  # systemd has forgotten it
    ],
)
def test_the_properties_of_a_unit(code: str, status: str, expected: tuple[str, str]) -> None:
    shown = {"InvocationID": "b" * 32, "Result": "signal", "ExecMainCode": code, "ExecMainStatus": status}
    found = ServiceResult.from_properties(shown)
    assert (found.invocation_id, found.exit_code, found.exit_status) == ("b" * 32, *expected)


@pytest.mark.parametrize(
    ("code", "status", "result"),
    [
        ("1", "217", "exit-code"),
        ("2", "9", "signal"),
        ("3", "11", "core-dump"),
        ("1", "0", "success"),
        ("1", "75", "success"),
    ],
)
def test_a_failure_that_was_reset_is_still_one(code: str, status: str, result: str) -> None:
    """`systemctl reset-failed` sets Result= alone."""
    shown = {"InvocationID": "a", "Result": "success", "ExecMainCode": code, "ExecMainStatus": status}
    assert ServiceResult.from_properties(shown).result == result
