"""A procedure starts in one state, whichever way its run is started."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.in_machine import add_to_settings, ended_job, show
from tests.support.machine import Machine

UNIT = "linod-shop-tells_facts.service"
SETTINGS = """
import os, resource, signal
os.environ.setdefault("FROM_SETTINGS", "x")
os.environ["LANGUAGE_OF_SHOP"] = "fr"
os.umask(0o007)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
TIME_ZONE = "Asia/Tokyo"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "/var/lib/linod/shop/own.log"}},
    "loggers": {"shop": {"handlers": ["file"], "level": "DEBUG"}},
    "root": {"handlers": ["file"], "level": "ERROR"},
}
"""
# Of one start alone; and what a unit alone has.
PER_START = (
    "variable INVOCATION_ID",
    "variable MEMORY_PRESSURE_WATCH",
    "variable JOURNAL_STREAM",
    "variable SYSTEMD_EXEC_PID",
    "variable TMPDIR",  # a warm job's stands in for PrivateTmp=
)
OF_A_UNIT = (
    "variable LINOD_BOOT_ID",
    "variable NOTIFY_SOCKET",
    "variable PYTHONUNBUFFERED",
    "variable RUNTIME_DIRECTORY",
    "variable STATE_DIRECTORY",
    "variable LOGS_DIRECTORY",
)
OF_A_COMMAND = (
    "logger ",  # a handler for the terminal
    "status CapInh",
    "status CapBnd",  # NoNewPrivileges= lets nobody gain one
    "variable TERM",
    "variable COLUMNS",
    "variable FORCE_COLOR",
)

OF_SIMULATE = ("path", "variable PYTHONPATH")  # it may have found the site by where manage.py lies


def facts(machine: Machine) -> dict[str, Any]:
    lines = str(ended_job(machine, "tells_facts")["message"]).splitlines()
    told: dict[str, Any] = json.loads(next(line for line in lines if line.startswith("facts "))[6:])
    return {name: value for name, value in told.items() if name not in PER_START}


def differences(one: dict[str, Any], other: dict[str, Any], allowed: tuple[str, ...] = ()) -> dict[str, Any]:
    names = (one.keys() | other.keys()) - set(allowed)
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}


def every_second(machine: Machine) -> None:
    """Have the rule due, without its timer."""
    machine.sh("systemctl stop linod.target linod-supervisor@shop")
    change = "JobRule.objects.filter(name='tells_facts').update(every_unit='secondly', every=1)"
    machine.run(
        "linod",
        "--site",
        "shop",
        "manage",
        "shell",
        "-c",
        f"from linod_systemd.models import JobRule; {change}",
    )


@pytest.mark.long
def test_a_hundred_facts_are_the_same_in_each_way(shop: Machine) -> None:
    add_to_settings(shop, SETTINGS)
    shop.sh("linod-generate-units && systemctl daemon-reload && systemctl restart linod-supervisor@shop")
    shop.run("systemctl", "start", UNIT)
    assert ended_job(shop, "tells_facts")["warm"], shop.sh("journalctl -n 80 --no-pager -o cat")
    warm = facts(shop)
    shop.run("linod-run", "--site", "shop", "tells_facts")
    assert differences(warm, facts(shop)) == {}, "linod-run, in its unit"
    shop.write(f"/etc/systemd/system/{UNIT}.d/cold.conf", "[Service]\nDelegate=no\n")
    shop.sh("systemctl daemon-reload")
    shop.run("systemctl", "start", UNIT)
    assert not ended_job(shop, "tells_facts")["warm"]
    assert differences(warm, facts(shop)) == {}, "cold"
    shop.sh("LANG=de_DE.UTF-8 TZ=America/Lima linod-run --site shop --here tells_facts")
    assert differences(warm, facts(shop), (*OF_A_UNIT, *OF_A_COMMAND)) == {}, "--here"
    every_second(shop)
    shop.sh("timeout -s INT 8 linod --site shop simulate", check=False)
    assert differences(warm, facts(shop), (*OF_A_UNIT, *OF_A_COMMAND, *OF_SIMULATE)) == {}, "simulate"
    assert len(warm) > 100
    expected = {
        "variable FROM_SETTINGS": "x",
        "variable TZ": "Asia/Tokyo",
        "date": "JST\n",
        "umask": "0o7",
        "status of a child": 7,
        "stdin": "/dev/null",
        "arguments": ["linod-run", "tells_facts"],
        "django-admin": "/opt/linod/bin/python\n",
    }
    assert {name: warm[name] for name in expected} == expected
    assert show(shop, "linod-supervisor@shop.service", "NRestarts") == "0"
