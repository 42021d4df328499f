"""Which differences between the units of a job and its supervisor make the job run cold."""

from __future__ import annotations

from typing import Any

import pytest

from linod_systemd.forkserver import sandbox

SUPERVISOR: dict[str, Any] = {
    "Type": ("s", "notify"),
    "MainPID": ("u", 17),
    "PrivateTmp": ("b", True),
    "RuntimeDirectory": ("as", ["linod/shop/shared"]),
    "RuntimeDirectorySymlink": ("a(sst)", []),
    "SystemCallFilter": ("(bas)", (True, ["read", "setpriority"])),
}
JOB: dict[str, Any] = {
    **SUPERVISOR,
    "Type": ("s", "oneshot"),
    "MainPID": ("u", 18),
    "RuntimeDirectory": ("as", ["linod/shop/shared", "linod/shop/runs/linod-shop-x"]),
    "SystemCallFilter": ("(bas)", (True, ["read"])),
}


def names(**job: Any) -> list[str]:
    mine = sandbox.compared(SUPERVISOR, "linod-supervisor@shop.service")
    other = sandbox.compared({**JOB, **job}, "linod-shop-x.service")
    return sandbox.differing(mine, other)


def test_what_the_templates_make_different_is_none() -> None:
    assert names() == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Nice",
            "Environment",
            "LimitNOFILE",
            "LimitNOFILESoft",
            "MemoryMax",
            "CPUQuotaPerSecUSec",
            "TasksMax",
        ),
        *(
            "TimeoutStartUSec",
            "ExecStartEx",
            "ExecMainStartTimestamp",
            "RestartUSecNext",
            "IPAddressDeny",
            "UMask",
        ),
        *(
            "MemoryCurrent",
            "EffectiveMemoryMax",
            "Slice",
            "StandardOutput",
            "SyslogIdentifier",
            "IOReadBytes",
        ),
    ],
)
def test_what_a_fork_takes_on_or_its_control_group_has(name: str) -> None:
    assert names(**{name: ("s", "other")}) == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "PrivateTmp",
            "PrivatePIDs",
            "PrivateUsersEx",
            "ProtectControlGroupsEx",
            "CoredumpFilter",
            "BindPaths",
        ),
        *("MemoryDenyWriteExecute", "MemoryKSM", "StateDirectory", "RestrictFileSystems", "RestrictSUIDSGID"),
        *(
            "ExecPaths",
            "ExecSearchPath",
            "IPCNamespacePath",
            "LogNamespace",
            "IgnoreSIGPIPE",
            "OpenFile",
            "PAMName",
        ),
        *(
            "TimerSlackNSec",
            "SystemCallLog",
            "LoadCredential",
            "SomethingThatALaterSystemdBrings",
            "RemoveIPC",
        ),
    ],
)
def test_anything_else_makes_it_run_cold(name: str) -> None:
    assert names(**{name: ("s", "other")}) == [name]


def test_a_folder_of_its_own_makes_it_run_cold() -> None:
    folders = ["linod/shop/shared", "linod/shop/runs/linod-shop-x", "other"]
    assert names(RuntimeDirectory=("as", folders)) == ["RuntimeDirectory"]
    links = [("linod/shop/runs/linod-shop-x", "", 0), ("other", "link", 0)]
    assert names(RuntimeDirectorySymlink=("a(sst)", links)) == ["RuntimeDirectorySymlink"]
    assert names(SystemCallFilter=("(bas)", (True, ["read", "mount"]))) == ["SystemCallFilter"]
