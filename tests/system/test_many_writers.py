"""Twenty jobs at once: SQLite serves them all beside a web process, and lino.log while it is rotated."""

from __future__ import annotations

import re

import pytest

from tests.support.in_machine import ensure_package, jobs, rotate_log
from tests.support.machine import Machine

pytestmark = pytest.mark.long

LOG = "/var/log/linod/shop/lino.log"
RULES = [f"writes_{number}" for number in range(20)]
CREATE = """
from linod_systemd.models import JobRule
for number in range(20):
    JobRule.objects.create(name=f"writes_{{number}}", procedure="{procedure}", every_unit="never")
"""
# As a web process that is slow: it holds the lock for half a second, again and again.
HOLD = """
import os, time
from django.db import transaction
from linod_systemd.demo.models import User
User.objects.create(username="admin")
waits = []
while not os.path.exists("/run/enough"):
    began = time.monotonic()
    with transaction.atomic():
        User.objects.update(last_name=str(began))
        waits.append(time.monotonic() - began)
        if len(waits) == 1:
            print("holding", flush=True)
        time.sleep(0.5)
    time.sleep(0.1)
print(len(waits), max(waits))
"""


def test_twenty_jobs_and_a_web_process_write_at_once(shop: Machine) -> None:
    units = _twenty(shop, "writes_rows")
    shop.write("/run/hold.py", HOLD)
    hold = "linod --site shop manage shell -v0 -c \"exec(open('/run/hold.py').read())\""
    shop.write("/run/hold.sh", f"exec {hold} >/run/held 2>&1\n")
    shop.sh("setsid --fork sh /run/hold.sh >/dev/null 2>&1")
    shop.poll(lambda: "holding" in shop.sh("cat /run/held", check=False), 30, "the web process")
    shop.sh(f"systemctl start --no-block {units}")
    shop.poll(lambda: not _unended(shop), 110, "twenty jobs to end")
    shop.sh("touch /run/enough")
    held = shop.poll(lambda: shop.read("/run/held").splitlines()[1:], 30, "the web process to end")
    turns, longest = held[0].split()
    assert int(turns) > 3 and float(longest) < 20
    assert "locked" not in shop.sh("journalctl -u 'linod-shop-*' -u linod-supervisor@shop")


def test_lino_log_loses_no_line_while_it_is_rotated(shop: Machine) -> None:
    """And the supervisor is killed, from which the jobs were forked."""
    ensure_package(shop, "logrotate")
    units = _twenty(shop, "logs_a_thousand")
    shop.sh(f"systemctl start --no-block {units}")
    for turn in range(5):
        shop.poll(lambda: ": line " in shop.sh(f"cat {LOG}", check=False), 30, "lines")
        rotate_log(shop, "shop")
        if turn == 2:
            shop.sh("systemctl kill --kill-whom=main --signal=KILL linod-supervisor@shop")
    shop.poll(lambda: not _unended(shop), 60, "twenty jobs to end")
    assert [job["status"] for job in jobs(shop, site="shop") if job["rule"] in RULES] == ["success"] * 20
    written = shop.sh(f"zcat --force {LOG}*")
    lines = re.findall(r"INFO \[linod\.job \d+\] : (line writes_\d+ \d+ x{180})$", written, re.M)
    assert len(lines) == len(set(lines)) == 20_000


def _twenty(machine: Machine, procedure: str) -> str:
    """Make the rules, with this procedure; their units, once they are there."""
    create = CREATE.format(procedure=procedure)
    machine.run("linod", "--site", "shop", "manage", "shell", "-v0", "-c", create)
    there = "ls -d /etc/systemd/system/linod-shop-writes_[0-9]*.service | wc -l"
    machine.poll(lambda: machine.sh(there) == "20\n", 30, "their units")
    return " ".join(f"linod-shop-{rule}.service" for rule in RULES)


def _unended(machine: Machine) -> list[str]:
    ended = {job["rule"] for job in jobs(machine, site="shop") if job["status"] == "success"}
    return [rule for rule in RULES if rule not in ended]
