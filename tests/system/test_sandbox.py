"""A job can harm nothing but itself: what PID 1 says of the units, and what a job says from inside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.in_machine import ended_job, failed_units, jobs, rules, show
from tests.support.machine import Machine

READ_ONLY, DENIED, FORBIDDEN = "Read-only file system", "Permission denied", "Operation not permitted"
NO_FAMILY = "Address family not supported by protocol"
EXPECTED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("write /etc", "write /usr", "write /var/lib", "write /srv/shop"), (READ_ONLY, DENIED)),
    **dict.fromkeys(("write /home", "write /root", "write /run/user"), (READ_ONLY,)),
    **dict.fromkeys(
        ("write the writable folder", "write its state", "write its log", "write /tmp"), ("done",)
    ),
    **dict.fromkeys(("list /home", "read /root"), (DENIED, "No such file or directory")),
    **dict.fromkeys(("list another's state", "read another's rules", "read another's log"), (DENIED,)),
    "read another's database": (DENIED,),
    "see another's process": ("No such file or directory",),
    **dict.fromkeys(("become root", "change an owner", "make a namespace", "kill PID 1"), (FORBIDDEN,)),
    "make a set-uid file": (FORBIDDEN,),
    "write a control group": (READ_ONLY, DENIED, "No such file or directory"),
    # No SIGSYS: the library that tries goes on.
    **dict.fromkeys(("os.nice", "sched_setaffinity"), (FORBIDDEN, "done")),  # cold, warm
    **dict.fromkeys(("map memory to write and run", "start a program"), ("done",)),
    **dict.fromkeys(("AF_UNIX", "AF_INET", "AF_INET6"), ("done",)),
    **dict.fromkeys(("AF_NETLINK", "AF_PACKET", "AF_ALG", "AF_VSOCK", "AF_BLUETOOTH"), (NO_FAMILY,)),
}


def run(machine: Machine, rule: str) -> dict[str, Any]:
    """Start the unit of a rule of the shop; the message of its job, as JSON."""
    before = len(jobs(machine, rule, "shop"))
    machine.sh(f"systemctl start linod-shop-{rule}.service")
    machine.poll(lambda: len(jobs(machine, rule, "shop")) > before, 20, "its row")
    job = ended_job(machine, rule)
    assert job["status"] == "success", job
    found: dict[str, Any] = json.loads(job["message"])
    return found


def test_exposure_of_every_unit(shop: Machine) -> None:
    """``--threshold`` is ten times the exposure; systemd-analyze fails above it."""
    units = [
        *("linod-shop-ticks.service", "linod-supervisor@shop.service"),
        *("linod-failure-shop@ticks.service", "linod-generate@shop.service", "linod-journal-shop@x.service"),
        *("linod-ended-shop@ticks.service", "linod-logrotate@shop.service"),
    ]
    for unit in units:
        threshold = "5" if "journal" in unit else "15"
        command = ("systemd-analyze", "security", "--no-pager", f"--threshold={threshold}", unit)
        done = shop.run(*command, check=False)
        print(done.stdout.splitlines()[-1])
        assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_all_kinds_of_units_are_looked_at(shop: Machine) -> None:
    files = shop.sh("cd /etc/systemd/system && ls -d linod*.service").split()
    kinds = {
        name.partition("@")[0].removesuffix("-shop").removesuffix("-default") for name in files if "@" in name
    }
    known = {"linod-supervisor", "linod-failure", "linod-ended", "linod-generate", "linod-journal"}
    assert kinds == known | {"linod-logrotate"}


def wrong(found: dict[str, Any]) -> dict[str, Any]:
    assert set(found) == set(EXPECTED)
    return {what: how for what, how in found.items() if how not in EXPECTED[what]}


@pytest.mark.parametrize("how", ["cold", pytest.param("warm", marks=pytest.mark.long)])
def test_what_a_job_cannot_do(shop: Machine, how: str) -> None:
    shop.sh("install -d -o shop /srv/media")
    shop.sh("echo 'writable = [\"/srv/media\"]' >> /etc/linod/shop.toml")
    shop.sh("linod-generate-units && systemctl daemon-reload")
    if how == "cold":
        # The supervisor has not that folder in its sandbox before it is started anew, as it is by itself.
        assert wrong(run(shop, "pokes")) == {}
        assert not ended_job(shop, "pokes")["warm"]
    else:

        def warm() -> bool:
            run(shop, "pokes")
            return bool(ended_job(shop, "pokes")["warm"])

        shop.poll(warm, 90, "a warm job")
        shop.sh("rm /srv/media/x")
        assert wrong(run(shop, "pokes")) == {}
    assert shop.run("test", "-e", "/tmp/from-a-job", check=False).returncode == 1
    assert shop.read("/srv/media/x") == "x"


@pytest.mark.long
def test_missing_writable_folder_is_named(shop: Machine) -> None:
    shop.sh("echo 'writable = [\"/srv/nowhere\"]' >> /etc/linod/shop.toml")
    done = shop.run("linod-generate-units", check=False)
    assert done.returncode == 1
    assert "shop.toml: writable names /srv/nowhere, which is no folder" in done.stderr
    assert "install -d -o shop -m 750 /srv/nowhere" in done.stderr
    assert shop.sh("systemctl is-active linod-shop-ticks.timer") == "active\n"


@pytest.mark.long
@pytest.mark.parametrize("home", ["/home/shop/site", "/root/site"])
def test_site_in_a_home_works(shop: Machine, home: str) -> None:
    shop.sh("systemctl stop linod.target")  # a job that is due would miss its folder
    shop.sh(f"cp -a /srv/shop {home} && chmod 711 /root && sed -i s,/srv/shop,{home}, /etc/linod/shop.toml")
    shop.sh("mv /srv/shop /srv/elsewhere; linod-generate-units && systemctl daemon-reload")
    shop.sh("systemctl start linod.target linod-supervisor@shop")
    found = run(shop, "pokes")
    assert (found["write its state"], found["write /etc"] in (READ_ONLY, DENIED)) == ("done", True)
    assert show(shop, "linod-shop-pokes.service", "ProtectHome") == "read-only"
    assert failed_units(shop) == []


@pytest.mark.long
def test_demo_makes_its_database_under_it(machine: Machine) -> None:
    """The drop-in of install.sh, whose ExecStartPre= migrates."""
    machine.sh("systemctl stop linod.target && rm -r /var/lib/linod/default/*")
    machine.sh("linod-generate-units && systemctl daemon-reload && systemctl start linod.target")
    machine.poll(
        lambda: machine.run("linod", "jobs", "--json", check=False).returncode == 0, 60, "its database"
    )
    machine.poll(lambda: len(rules(machine)) == 7, 60, "its rules")
    assert failed_units(machine) == []
