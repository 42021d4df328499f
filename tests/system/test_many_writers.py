"""Twenty jobs at once write the database that a web process writes, too: SQLite serves them all."""

from __future__ import annotations

import pytest

from tests.machine import Machine
from tests.system.support import jobs

RULES = [f"writes_{number}" for number in range(20)]
CREATE = """
from linod_systemd.models import JobRule
for number in range(20):
    JobRule.objects.create(name=f"writes_{number}", procedure="writes_rows", every_unit="never")
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


@pytest.mark.long
def test_twenty_jobs_and_a_web_process_write_at_once(shop: Machine) -> None:
    shop.run("linod", "--site", "shop", "manage", "shell", "-v0", "-c", CREATE)
    units = " ".join(f"linod-shop-{rule}.service" for rule in RULES)
    there = "ls -d /etc/systemd/system/linod-shop-writes_[0-9]*.service | wc -l"
    shop.poll(lambda: shop.sh(there) == "20\n", 30, "their units")
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


def _unended(machine: Machine) -> list[str]:
    ended = {job["rule"] for job in jobs(machine, site="shop") if job["status"] == "success"}
    return [rule for rule in RULES if rule not in ended]
