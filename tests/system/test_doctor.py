"""``linod doctor``: what is wrong, each line with the remedy."""

from __future__ import annotations

import json

import pytest

from tests.machine import Machine

CLOCK = "the clock is synchronised"  # no service of a machine in a box sets it


def wrong(machine: Machine, *sites: str) -> dict[str, str]:
    """What it finds wrong → the remedy; with the exit code that says so."""
    done = machine.run("linod", "doctor", "--json", *sites, check=False)
    assert done.stdout, done.stderr
    found = {one["what"]: one["remedy"] for one in json.loads(done.stdout) if not one["is_well"]}
    assert done.returncode == int(bool(found)), done
    found.pop(CLOCK, None)
    return found


@pytest.mark.long
def test_each_trouble_is_told_with_its_remedy(shop: Machine) -> None:
    assert wrong(shop) == {}
    said = shop.run("linod", "doctor", check=False).stdout
    assert (
        "ok     shop: its database is migrated" in said and "ok     default: its supervisor is alive" in said
    )

    shop.sh("systemctl stop linod.target")
    assert "linod.target is active" in wrong(shop, "shop")
    shop.sh("systemctl start linod.target")
    shop.poll(lambda: wrong(shop) == {}, 30, "all to be well again")

    shop.sh("rm /etc/systemd/system/linod-shop-ticks.timer; chown root /var/lib/linod/shop")
    found = wrong(shop, "shop")
    assert found["/var/lib/linod/shop belongs to shop"] == "chown -R shop /var/lib/linod/shop"
    assert "its units are in place and as generated" in found
    shop.sh("chown shop /var/lib/linod/shop && linod-generate-units && systemctl daemon-reload")

    shop.run("linod-run", "--site", "shop", "fails", check=False)
    shop.sh("sed -i s/shop.settings/shop.nowhere/ /etc/linod/shop.toml")
    found = wrong(shop, "shop")
    assert "ModuleNotFoundError" in found["it does not load"]
    shop.sh("sed -i s/shop.nowhere/shop.settings/ /etc/linod/shop.toml")
    found = wrong(shop, "shop")
    assert any("fails: it was cancelled by a failure" in what for what in found), found

    shop.sh("sed -i 's/^user = .*/user = \"nobody_here\"/' /etc/linod/shop.toml")
    assert any("'nobody_here'" in what for what in wrong(shop, "shop"))
    assert wrong(shop, "default") == {}
    assert wrong(shop, "nowhere") == {
        "site 'nowhere' is not configured": "write /etc/linod/nowhere.toml with the keys "
        "user, settings, python, directory"
    }
