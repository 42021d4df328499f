"""``linod doctor``: what is wrong, each line with the remedy."""

from __future__ import annotations

import json

import pytest

from tests.support.in_machine import show
from tests.support.machine import Machine

SILENT = """
from datetime import timedelta
from linod_systemd import clock
from linod_systemd.models import JobRule
ago = clock.now() - timedelta(hours=2)
JobRule.objects.filter(name="sleeps").update(missed_after=3600, live_since=ago)
"""
# A unit that starts makes its folders anew, and gives them to the site's user: `ticks` each ten seconds.
STILL = "systemctl stop linod.target 'linod-shop-*'"
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
def test_each_trouble_is_told_with_its_remedy(both_sites: Machine) -> None:
    assert wrong(both_sites) == {}
    said = both_sites.run("linod", "doctor", check=False).stdout
    assert (
        "ok      shop: its database is migrated" in said
        and "ok      default: its supervisor is alive" in said
    )
    for site in ("shop", "default"):  # also where it is asked by a user who has no site of their own
        asked = both_sites.run("linod", "doctor", check=False, user="nobody").stdout
        assert f"ok      {site}: its user " in asked and f"ok      {site}: its supervisor is alive" in asked
        unseen = f"unseen  {site}: its linod-systemd, its database, its rules: sudo linod doctor {site}"
        assert unseen in asked
        assert [line for line in asked.splitlines() if line.startswith("WRONG") and CLOCK not in line] == []

    both_sites.sh("systemctl stop linod.target")
    assert "linod.target is active" in wrong(both_sites, "shop")
    both_sites.sh("systemctl start linod.target")
    both_sites.poll(lambda: wrong(both_sites) == {}, 30, "all to be well again")

    both_sites.sh(f"{STILL}; rm /etc/systemd/system/linod-shop-ticks.timer; chown root /var/lib/linod/shop")
    found = wrong(both_sites, "shop")
    assert found["/var/lib/linod/shop belongs to shop"] == "chown -R shop /var/lib/linod/shop"
    assert "its units are in place and as generated" in found
    both_sites.sh("chown shop /var/lib/linod/shop && linod-generate-units && systemctl daemon-reload")
    both_sites.sh("systemctl start linod.target")

    both_sites.run("linod-run", "--site", "shop", "fails", check=False)
    both_sites.sh("sed -i s/shop.settings/shop.nowhere/ /etc/linod/shop.toml")
    found = wrong(both_sites, "shop")
    assert "ModuleNotFoundError" in next(
        what for what in found if what.startswith("it does not load; it says: ")
    )
    both_sites.sh("sed -i s/shop.nowhere/shop.settings/ /etc/linod/shop.toml")
    found = wrong(both_sites, "shop")
    assert any("fails: it was cancelled by a failure" in what for what in found), found

    both_sites.run("linod", "--site", "shop", "manage", "shell", "-v0", "-c", SILENT)
    found = wrong(both_sites, "shop")
    assert any("sleeps: it has not succeeded since" in what for what in found), found

    both_sites.sh("useradd --non-unique --uid 0 toor")
    both_sites.sh("sed -i 's/^user = .*/user = \"toor\"/' /etc/linod/shop.toml")
    units = both_sites.sh("cat /etc/systemd/system/linod-shop-*")
    assert any("a site does not run as root" in what for what in wrong(both_sites, "shop"))
    refused = both_sites.run("linod-generate-units", "--site", "shop", check=False)
    assert refused.returncode == 2 and "as_root = true" in refused.stderr
    assert both_sites.sh("cat /etc/systemd/system/linod-shop-*") == units

    both_sites.sh("sed -i 's/^user = .*/user = \"nobody_here\"/' /etc/linod/shop.toml")
    assert any("'nobody_here'" in what for what in wrong(both_sites, "shop"))
    assert wrong(both_sites, "default") == {}
    assert wrong(both_sites, "nowhere") == {
        "site 'nowhere' is not configured": "write /etc/linod/nowhere.toml with the keys "
        "user, settings, python, directory"
    }


@pytest.mark.long
@pytest.mark.parametrize(
    ("break_it", "what"),
    [
        ("systemctl stop linod.target", "linod.target is active"),
        (
            f"{STILL}; chown root /var/lib/linod/shop",
            "/var/lib/linod/shop belongs to shop",
        ),
        (f"{STILL}; rm -r /var/log/linod/shop", "the folder /var/log/linod/shop is not there"),
        ("rm /etc/systemd/system/linod-shop-ticks.timer", "its units are in place and as generated"),
        ("linod --site shop manage migrate -v0 linod_systemd zero", "its database is migrated"),
    ],
)
def test_each_remedy_can_be_typed_as_it_stands(both_sites: Machine, break_it: str, what: str) -> None:
    """And names the site, as there are two."""
    both_sites.sh(break_it)
    remedy = wrong(both_sites, "shop")[what]
    assert "--site shop" in remedy or not remedy.startswith("linod")
    both_sites.sh(remedy)
    both_sites.sh("systemctl restart linod-supervisor@shop")
    both_sites.poll(lambda: what not in wrong(both_sites, "shop"), 60, f"that to be well: {what}")


@pytest.mark.long
def test_what_a_failure_cancelled_comes_back_as_it_is_said(both_sites: Machine) -> None:
    both_sites.run("linod-run", "--site", "shop", "fails", check=False)
    said = both_sites.run("linod", "--site", "shop", "status", check=False).stderr
    assert "fails: it was cancelled by a failure: Once it is mended, `linod --site shop enable fails`" in said
    both_sites.sh("linod --site shop enable fails")
    assert "cancelled" not in both_sites.run("linod", "--site", "shop", "status", check=False).stderr
    refused = both_sites.run("linod", "cancel", "ticks", check=False)
    assert refused.returncode == 1
    assert "there are several sites (default, shop): name one: --site SITE" in refused.stderr
    refused = both_sites.run("linod-run", "checkdata", check=False)
    assert "name one: --site SITE" in refused.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    ("break_it", "what", "remedy"),
    [
        (
            "rm -f /var/log/linod/shop/lino.log && mkfifo -m 666 /var/log/linod/shop/lino.log",
            "/var/log/linod/shop/lino.log is no plain file, and is not written",
            "rm /var/log/linod/shop/lino.log",
        ),
        (
            "chown root /var/log/linod/shop/lino.log",
            "/var/log/linod/shop/lino.log does not belong to shop",
            "chown shop /var/log/linod/shop/lino.log",
        ),
        (
            "printf 'A=1\\nexport B=2\\n' > /etc/shop.env && echo 'environment_file = \"/etc/shop.env\"' >> "
            "/etc/linod/shop.toml && linod-generate-units && systemctl daemon-reload && sleep 2",
            "line 2 of /etc/shop.env is dropped: export B",
            "write NAME=value, without `export`",
        ),
        (
            "install -d -o shop /srv/media; echo 'MEDIA_ROOT = \"/srv/media\"' >> /srv/shop/shop/settings.py",
            "jobs cannot write /srv/media (MEDIA_ROOT)",
            "add it to `writable` in /etc/linod/shop.toml",
        ),
    ],
)
def test_what_hinders_jobs_alone_is_told(shop: Machine, break_it: str, what: str, remedy: str) -> None:
    assert wrong(shop, "shop") == {}
    shop.sh(break_it)
    job = shop.run("systemctl", "start", "linod-shop-does_nothing.service")
    assert job.returncode == 0, "no job hangs or fails for it"
    shop.poll(lambda: wrong(shop, "shop") == {what: remedy}, 30, f"only that: {wrong(shop, 'shop')}")


@pytest.mark.long
def test_a_home_that_jobs_cannot_write_is_named(shop: Machine) -> None:
    shop.sh("install -d -o shop /home/shop")
    said = shop.run("linod", "doctor", "shop", check=False).stdout
    assert "ok      shop: jobs cannot write /home/shop (HOME)" in said


EAST = """
from linod_systemd.models import JobRule
east = {"every_unit": "daily", "start_time": "09:00", "timezone": "US/Eastern"}
JobRule.objects.filter(name="does_nothing").update(**east)
"""


@pytest.mark.long
def test_a_time_zone_that_goes_away_is_told_by_name(shop: Machine) -> None:
    """What `apt remove tzdata-legacy` does, or the upgrade to Debian 13; python has the zone all the same."""
    timer, zones = "linod-shop-does_nothing.timer", "/usr/share/zoneinfo"
    shop.sh(f"mkdir -p {zones}/US; ln -sf ../America/New_York {zones}/US/Eastern")
    shop.run("linod", "--site", "shop", "manage", "shell", "-v0", "-c", EAST)
    shop.poll(lambda: show(shop, timer, "ActiveState") == "active", 60, "its timer")
    assert wrong(shop, "shop") == {}
    shop.sh(f"rm -r {zones}/US")
    done = shop.run("linod-generate-units", "--site", "shop", check=False)
    told = "systemd has no time zone US/Eastern on this host: use America/New_York"
    assert done.returncode == 2 and "'does_nothing'" in done.stderr and told in done.stderr
    shop.sh("systemctl daemon-reload")
    said = shop.run("linod", "--site", "shop", "status", check=False)
    assert said.returncode == 1 and told in said.stderr
    assert any(told in what for what in wrong(shop, "shop"))
    assert show(shop, "linod-shop-ticks.timer", "ActiveState") == "active", "the others go on"
