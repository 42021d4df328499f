"""A site that exchanges the folders that PID 1 gives to it for links gets nothing of root's."""

from __future__ import annotations

import pytest

from tests.support.in_machine import show
from tests.support.machine import Machine

pytestmark = pytest.mark.long

# renameat2(2) with RENAME_EXCHANGE, again and again: each folder that is the site's, or in one of the site's.
EXCHANGES = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
def exchange(one, other):
    return libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)
places = sys.argv[1:]
counts = dict.fromkeys(places, 0)
end = time.monotonic() + 600
for number, place in enumerate(places):
    os.makedirs("/srv/shop/links", exist_ok=True)
    link = f"/srv/shop/links/{number}"
    if not os.path.islink(link):
        os.symlink("/etc/systemd/system", link)
while time.monotonic() < end and not os.path.exists("/srv/shop/enough"):
    for number, place in enumerate(places):
        link = f"/srv/shop/links/{number}"
        for inner in (place, f"{place}/{os.path.basename(place)}", f"{place}/ended"):
            counts[place] += exchange(inner, link) == 0
            if os.path.islink(inner):
                exchange(inner, link)
        try:
            os.symlink("/etc/systemd/system", f"{place}/ended")
        except OSError:
            pass
open("/srv/shop/counts", "w").write(repr(counts))
"""
STARTS = 500
FOLDERS = "/etc/systemd/system /etc/linod /var/lib/linod /run/linod"
STATE = f"find {FOLDERS} -maxdepth 1 -printf '%p %u %m %y\\n' | sort"


def test_five_hundred_starts_beside_a_race(shop: Machine) -> None:
    unit = "linod-shop-does_nothing"
    places = [
        *(
            "/run/linod/shop",
            "/run/linod/shop/shared",
            "/run/linod/shop/runs",
            f"/run/linod/shop/runs/{unit}",
        ),
        *("/var/lib/linod/shop", "/var/lib/linod/shop.requests", "/var/log/linod/shop"),
        *("/var/lib/linod/shop/locks", "/run/linod/shop/shared/supervisor.socket"),
    ]
    shop.sh("systemctl stop linod.target && systemctl start linod-supervisor@shop")
    shop.run("systemctl", "start", unit)
    before = shop.sh(STATE)
    shop.write("/srv/shop/exchanges.py", EXCHANGES)
    shop.sh("chown -R shop /srv/shop")
    race = ["systemd-run", "--quiet", "--uid=shop", "--unit=race", "python3", "/srv/shop/exchanges.py"]
    shop.run(*race, *places)
    start = f"systemctl start {unit} || true; systemctl reset-failed {unit}"
    done = shop.sh(
        f"for n in $(seq {STARTS}); do {start}; done 2>&1 | wc -l; touch /srv/shop/enough", timeout=500
    )
    assert done
    shop.poll(lambda: shop.sh("cat /srv/shop/counts 2>/dev/null || true"), 60, "the race to end")
    after = shop.sh(STATE)
    assert [line for line in after.splitlines() if line not in before.splitlines()] == []
    assert shop.sh("find /etc /usr /boot /root -xdev -user shop 2>/dev/null || true") == ""
    assert int(show(shop, unit, "NRestarts") or 0) == 0
