"""``linod status``, ``linod doctor`` and the supervisor judge units by one function: what it sees."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.in_machine import OFF, show
from tests.support.machine import Machine

SUPERVISOR = "linod-supervisor@shop.service"
TIMER, SERVICE = "linod-shop-ticks.timer", "linod-shop-ticks.service"


def drop_in(unit: str, text: str) -> Callable[[Machine], None]:
    def write(machine: Machine) -> None:
        machine.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        machine.sh(f"systemctl daemon-reload && systemctl stop {TIMER}")
        machine.sh(f"systemctl start {TIMER}", check=False)

    return write


def stop_target(machine: Machine) -> None:
    machine.sh("systemctl stop linod.target")


def mask_supervisor(machine: Machine) -> None:
    machine.write(f"/etc/systemd/system/{SUPERVISOR}.d/off.conf", OFF)
    machine.sh(f"systemctl daemon-reload && systemctl stop {SUPERVISOR}")


@pytest.mark.parametrize(
    ("break_it", "what", "remedy"),
    [
        (stop_target, "linod.target is stopped", "systemctl enable --now linod.target"),
        (mask_supervisor, "its supervisor does not run", f"journalctl -u {SUPERVISOR}"),
        (drop_in(SERVICE, "[Service]\nExecStart=\n"), f"systemd refuses {SERVICE}", f"status {SERVICE}"),
        (
            drop_in(TIMER, "[Timer]\nOnCalendar=\nOnCalendar=2020-01-01\n"),
            f"ticks: {TIMER} has no next elapse, though the rule is due at",
            "linod-generate-units --site shop && systemctl daemon-reload",
        ),
        (drop_in(TIMER, OFF), f"ticks: {TIMER} is inactive, and does not ring", f"start {TIMER}"),
    ],
)
def test_what_is_wrong_with_the_units(
    shop: Machine, break_it: Callable[[Machine], None], what: str, remedy: str
) -> None:
    assert shop.run("linod", "status").returncode == 0
    break_it(shop)

    def told() -> bool:
        done = shop.run("linod", "status", check=False)
        return done.returncode == 1 and what in done.stderr and remedy in done.stderr

    shop.poll(told, 20, f"linod status to say: {what}")
    known = what.partition(": ")[2] or what
    found = shop.run("linod", "doctor", "shop", check=False)
    assert found.returncode == 1
    assert known in found.stdout or "linod.target is active: systemctl" in found.stdout
    if break_it not in (stop_target, mask_supervisor):
        shop.sh(f"systemctl restart {SUPERVISOR}")
        shop.poll(lambda: "1 in trouble" in show(shop, SUPERVISOR, "StatusText"), 60, "STATUS= to say so")
