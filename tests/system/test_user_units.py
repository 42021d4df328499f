"""Units of a user's own systemd: no root, no SITE.toml."""

from __future__ import annotations

import json

import pytest

from tests.machine import Machine

pytestmark = pytest.mark.long

AS_USER = "export XDG_RUNTIME_DIR=/run/user/$(id -u) HOME=/home/shop; cd;"


def test_demo_site_under_the_users_own_systemd(machine: Machine) -> None:
    # What libpam-systemd does, which a plain Debian does not have.
    runtime = "[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n"
    machine.write("/etc/systemd/system/user@.service.d/runtime.conf", runtime)
    machine.sh("mv /etc/linod /etc/linod-elsewhere && systemctl daemon-reload")
    machine.sh("systemctl start user@$(id -u shop).service")

    def as_user(script: str) -> str:
        return machine.sh(AS_USER + script, user="shop")

    as_user("linod manage migrate -v0 && linod setup")
    as_user("linod-generate-units && systemctl --user daemon-reload && systemctl --user start linod.target")
    listed = machine.poll(
        lambda: as_user("systemctl --user list-units --plain --no-legend --state=active 'linod-*.timer'"),
        20,
        "the user's timers",
    )
    assert len(listed.splitlines()) == 7
    jobs = machine.poll(lambda: json.loads(as_user("linod jobs --json")), 30, "a job")
    assert jobs[-1]["trigger"] == "timer"
    as_user("linod cancel checkdata")
    machine.poll(
        lambda: "inactive" in as_user("systemctl --user is-active linod-checkdata.timer || true"),
        10,
        "its end",
    )
    assert as_user("systemctl --user --failed --plain --no-legend") == ""
