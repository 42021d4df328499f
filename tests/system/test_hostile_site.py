"""Ten sites, of which one does the worst that it can, each time something else; the others go on."""

from __future__ import annotations

import time

import pytest

from tests.support.in_machine import jobs
from tests.support.machine import Machine

pytestmark = [pytest.mark.long, pytest.mark.timeout(590)]

SITES = [f"s{number}" for number in range(10)]
EFFECT_SECONDS = 10.0
MOST_MEMORY = 100 * 1024  # KiB that PID 1 may have more than before
# The hostile site's own script: it writes rules.json again and again, and asks for it to be read.
WRITES = """
import json, os, time
def write(rules, site="s0", **values):
    document = {"version": 1, "site": site, "timezone": "UTC", "rules": rules, **values}
    with open("/var/lib/linod/s0/rules.new", "w") as file:
        json.dump(document, file)
    os.rename("/var/lib/linod/s0/rules.new", "/var/lib/linod/s0/rules.json")
def ask():
    try:
        os.symlink("rules", "/var/lib/linod/s0.requests/rules")
    except FileExistsError:
        pass
def again(make, pause=1.0):
    turn = 0
    while True:
        turn += 1
        write(make(turn))
        ask()
        time.sleep(pause)
START = {"start_date": "2026-01-31"}
"""
ATTACKS = {
    "holds the unit directory": (
        "import fcntl, time\\n"
        "fcntl.flock(os.open('/etc/systemd/system', os.O_RDONLY), fcntl.LOCK_EX); time.sleep(1000)"
    ),
    "pauses for ever": (
        "again(lambda n: [{**START, 'name': f'r{n}', 'paused_until':"
        " ['9999-12-31T00:00:00+00:00', '2500-01-01T00:00:00+00:00', '0001-01-01T00:00:00+14:00'][n % 3]},"
        " {**START, 'name': 'h', 'every_unit': 'hourly', 'every': 10**9}])"
    ),
    "counts from 1583": (
        "again(lambda n: [{'start_date': '1583-01-01', 'name': f'r{m}', 'every_unit': 'monthly', 'every': 12,"
        " 'positions': '1 -1', 'weekdays': ['monday'], 'max_events': 5000 + n} for m in range(1200)])"
    ),
    "names a hundred thousand rules": (
        "again(lambda n: [{**START, 'name': f'r{m}', 'timeout': n,"
        " 'run_after': [f'x{m}_{k}' for k in range(100)]} for m in range(1340)])"
    ),
    "lists every 61 seconds": (
        "again(lambda n: [{**START, 'name': f'r{m}', 'every_unit': 'secondly', 'every': 61, 'timeout': n}"
        " for m in range(100)])"
    ),
    "runs in circles": (
        "again(lambda n: [{**START, 'name': f'r{m}', 'timeout': n, 'jitter': 9,"
        " 'run_after': [f'r{(m * k) % 400}' for k in range(2, 60)]} for m in range(400)])"
    ),
    "toggles five hundred": (
        "again(lambda n: [{**START, 'name': f'r{m}', 'cancelled': bool((m + n) % 2), 'timeout': n}"
        " for m in range(500)])"
    ),
    "asks every 0.3 s": "again(lambda n: [{**START, 'name': 'r', 'timeout': n}], 0.3)",
    "fills its memory": (
        "block = b'x' * 2**20\\n"
        "with open('/run/linod/s0/shared/big', 'wb') as file:\\n"
        "    while True:\\n"
        "        try: file.write(block); file.flush()\\n"
        "        except OSError: time.sleep(1); ask()"
    ),
    "makes control groups": (
        "group = '/sys/fs/cgroup' + open('/proc/self/cgroup').read().strip().rpartition('::')[2]\\n"
        "n = 0\\n"
        "while True:\\n"
        "    n += 1\\n"
        "    try: os.mkdir(f'{group}/g{n}')\\n"
        "    except OSError: time.sleep(0.5); ask()"
    ),
    "connects to its journal": (
        "import socket\\nheld = []\\n"
        "while True:\\n"
        "    one = socket.socket(socket.AF_UNIX)\\n"
        "    try: one.connect('/run/linod/s0.journal'); held.append(one)\\n"
        "    except OSError: time.sleep(0.1)\\n"
        "    if len(held) > 200: time.sleep(1)"
    ),
    "has odd logs": (
        "os.chdir('/var/log/linod/s0')\\n"
        "for name in ('lino.log.1', 'lino.log.2.gz'):\\n"
        "    if os.path.exists(name): os.unlink(name)\\n"
        "    os.mkfifo(name)\\n"
        "again(lambda n: [{**START, 'name': 'r', 'timeout': n}])"
    ),
    "has no python any more": (
        "os.unlink('/srv/s0/env/bin/python')\\nagain(lambda n: [{**START, 'name': 'r', 'timeout': n}])"
    ),
}


@pytest.fixture
def ten_sites(machine: Machine) -> Machine:
    """As one user each, with the demo's procedures."""
    machine.sh("linod uninstall-site default")
    for site in SITES:
        machine.sh(f"useradd --system {site} && install -d -o {site} /srv/{site}")
        python = "/opt/linod/bin/python"
        if site == "s0":
            # A python of its own, which it may remove.
            machine.sh(
                "mkdir -p /srv/s0/env/bin && cp /opt/linod/pyvenv.cfg /srv/s0/env/ &&"
                f"ln -s /opt/linod/lib /srv/s0/env/lib && ln -s {python} /srv/s0/env/bin/python &&"
                "chown -hR s0 /srv/s0"
            )
            python = "/srv/s0/env/bin/python"
        lines = {
            "user": site,
            "settings": "linod_systemd.demo.settings",
            "python": python,
            "directory": f"/srv/{site}",
        }
        machine.write(
            f"/etc/linod/{site}.toml", "".join(f'{key} = "{value}"\n' for key, value in lines.items())
        )
        machine.sh(f"linod --site {site} manage migrate -v0")
    machine.sh("linod-generate-units && systemctl daemon-reload && systemctl enable --now linod.target")
    units = [f"linod-supervisor@{site}" for site in SITES]
    machine.poll(lambda: all(active(machine, unit) for unit in units), 90, "ten supervisors")
    return machine


def active(machine: Machine, unit: str) -> bool:
    return machine.run("systemctl", "is-active", "--quiet", unit, check=False).returncode == 0


def as_site(machine: Machine, site: str, *words: str) -> None:
    """A command of the site itself, as its web server would do it."""
    machine.run("linod", "--site", site, *words, user=site)


def memory_of_pid_1(machine: Machine) -> int:
    """KiB."""
    return int(machine.sh("awk '/^VmRSS/ { print $2 }' /proc/1/status"))


def effects(machine: Machine, site: str) -> dict[str, float]:
    """How many seconds an edit, a cancel and a run of a site take until systemd has followed."""
    timer, took = f"linod-{site}-checkdata.timer", {}

    def until(what: str, words: tuple[str, ...], done: object) -> None:
        assert callable(done)
        as_site(machine, site, *words)
        began = time.monotonic()
        machine.poll(done, 60, f"{what} of {site}")
        took[what] = time.monotonic() - began

    until("cancel", ("cancel", "checkdata"), lambda: not active(machine, timer))
    until("enable", ("enable", "checkdata"), lambda: active(machine, timer))
    before = len(jobs(machine, "clear_seen_messages", site))
    until(
        "run",
        ("run", "clear_seen_messages"),
        lambda: len(jobs(machine, "clear_seen_messages", site)) > before,
    )
    return took


def test_nine_sites_beside_a_hostile_one(ten_sites: Machine) -> None:
    machine = ten_sites
    machine.write("/srv/s0/writes.py", WRITES)
    memory = memory_of_pid_1(machine)
    slow: dict[str, dict[str, float]] = {}
    for number, (attack, script) in enumerate(ATTACKS.items()):
        machine.write("/srv/s0/attack.py", WRITES + script.replace("\\n", "\n"))
        unit = f"attack-{number}"
        machine.run(
            *(
                "systemd-run",
                "--quiet",
                f"--unit={unit}",
                "--uid=s0",
                "--slice=linod-s0.slice",
                "-p",
                "Delegate=yes",
            ),
            *("/usr/bin/python3", "/srv/s0/attack.py"),
        )
        time.sleep(2)
        for site in (SITES[1 + number % 9], SITES[1 + (number + 4) % 9]):
            took = effects(machine, site)
            print(f"{attack}: {site}", {what: round(seconds, 1) for what, seconds in took.items()})
            if max(took.values()) > EFFECT_SECONDS:
                slow[f"{attack}: {site}"] = took
        grown = memory_of_pid_1(machine) - memory
        print(f"{attack}: PID 1 has {grown // 1024} MiB more")
        assert grown < MOST_MEMORY, attack
        machine.sh(
            f"systemctl kill --signal=KILL {unit}; systemctl stop {unit}; systemctl reset-failed {unit}",
            check=False,
        )
    assert slow == {}, slow
    failed = machine.sh("systemctl --failed --plain --no-legend").splitlines()
    assert [line for line in failed if "s0" not in line.split()[0] and "attack" not in line.split()[0]] == []
