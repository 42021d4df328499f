"""docs/django.md up to “Next”, typed line by line on a fresh machine: each command succeeds and it runs."""

from __future__ import annotations

import re

import pytest

from tests.support.in_machine import jobs
from tests.support.machine import CHECKOUT, Machine

PAGE = (CHECKOUT / "docs/django.md").read_text(encoding="utf-8").partition("\n## Next")[0]
SUPPORTED = ("5.2", "6.0", "6.1")


def typed_blocks() -> list[str]:
    """What the page has one type: its fenced blocks, but for what shows an output."""
    found = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [block for block in found if not block.startswith("rule  ")]


def install_here(block: str) -> str:
    """install.sh has run already, in the layer of these tests; the rest is typed as it stands."""
    return block.replace("./install.sh\n", "")


@pytest.mark.long  # it installs all anew
@pytest.mark.elsewhere
def test_the_page_from_its_first_line_to_its_last(machine: Machine) -> None:
    blocks = typed_blocks()
    assert "./install.sh" in blocks[0] and len(blocks) == 6
    machine.sh("userdel --remove shop 2>/dev/null; rm -rf /srv/shop")  # of the layer, for other tests
    said = [machine.sh(f"cd /srv/shop 2>/dev/null; set -e\n{install_here(block)}") for block in blocks]
    timers = said[4]
    for rule in ("clear_sessions", "look_around", "report"):
        assert f"linod-shop-{rule}.timer" in timers, "install-site returns when the timers are there"
    assert "deleted 0 sessions" in machine.sh("linod jobs --json clear_sessions")
    machine.poll(lambda: jobs(machine, "look_around", "shop"), 30, "a run by the timer")
    assert [job["status"] for job in jobs(machine, "clear_sessions", "shop")] == ["success"]
    assert machine.run("linod", "status").returncode == 0
    table = machine.sh("linod status")
    assert table.startswith("rule ") and re.search(r"report .*every second \w+day at 04:00, UTC", table)
    print(table)
    doctor = machine.run("linod", "doctor", "shop", check=False).stdout
    assert not [line for line in doctor.splitlines() if line.startswith("WRONG") and "clock" not in line]
    assert 'writable = ["/srv/shop/data"]' in machine.read("/etc/linod/shop.toml")
    django = machine.sh("/srv/shop/env/bin/python -m django --version").strip()
    assert django.startswith(SUPPORTED)
