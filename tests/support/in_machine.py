"""Questions that several system tests ask a machine."""

from __future__ import annotations

import json
from typing import Any

from tests.support.machine import SOURCE, Machine, MachineError

STATE = "/var/lib/linod/shop"
OFF = "[Unit]\nConditionPathExists=/nowhere\n"


def jobs(machine: Machine, rule: str = "", site: str = "default") -> list[dict[str, Any]]:
    """The jobs of a rule (of all), latest first."""
    asked = ["--", rule] if rule else []
    found: list[dict[str, Any]] = json.loads(
        machine.run("linod", "--site", site, "jobs", "-n", "1000", "--json", *asked).stdout
    )
    return found


def ended_job(machine: Machine, rule: str, site: str = "shop", seconds: float = 30) -> dict[str, Any]:
    """The latest job of a rule that ran, once it has ended."""

    def ended() -> dict[str, Any] | None:
        latest = next((job for job in jobs(machine, rule, site) if job["status"] != "skipped"), None)
        return latest if latest and latest["status"] != "running" else None

    found = machine.poll(ended, seconds, f"a job of {rule} to end")
    assert found is not None
    return found


def rules(machine: Machine, site: str = "default") -> dict[str, dict[str, Any]]:
    listed = json.loads(machine.run("linod", "--site", site, "status", "--json", check=False).stdout)
    return {rule["name"]: rule for rule in listed["rules"]}


def active_timers(machine: Machine) -> set[str]:
    """The active linod timers, without their suffix."""
    listed = machine.sh("systemctl list-units --plain --no-legend --state=active 'linod-*.timer'")
    return {line.split()[0].removesuffix(".timer") for line in listed.splitlines()}


def show(machine: Machine, unit: str, name: str) -> str:
    """A property of a unit."""
    return machine.run("systemctl", "show", "--value", "--property", name, unit).stdout.strip()


def job_process(machine: Machine, unit: str) -> str:
    """The process id of a unit's job: in its group beside its client, or its main process."""
    main = show(machine, unit, "MainPID")
    group = show(machine, unit, "ControlGroup")
    others = set(machine.sh(f"cat /sys/fs/cgroup{group}/cgroup.procs").split()) - {main}
    return min(others, key=int, default=main)


def failed_units(machine: Machine) -> list[str]:
    return machine.sh("systemctl --failed --plain --no-legend").split("\n")[:-1]


def switch_off(machine: Machine, unit: str) -> None:
    """Keep a unit from starting, also when linod.target wants it."""
    machine.write(f"/etc/systemd/system/{unit}.d/off.conf", OFF)
    machine.sh(f"systemctl daemon-reload && systemctl stop {unit}")


def ensure_package(machine: Machine, name: str) -> None:
    """Install a Debian package, where the root of this machine has it not."""
    machine.sh(f"dpkg -s {name} >/dev/null 2>&1 || {{ apt-get update -qq && apt-get install -qq {name}; }}")


def rotate_log(machine: Machine, site: str, log: str = "") -> None:
    """Rotate a site's lino.log by its unit, as if it was last rotated long ago."""
    log = log or f"/var/log/linod/{site}/lino.log"
    machine.write(
        f"/var/lib/linod/{site}/logrotate.status", f'logrotate state -- version 2\n"{log}" 2020-1-1-0:0:0\n'
    )
    machine.sh(f"chown --reference=/var/lib/linod/{site} /var/lib/linod/{site}/logrotate.status")
    machine.sh(f"systemctl start linod-logrotate@{site}")


def add_to_settings(machine: Machine, text: str) -> None:
    """Let the shop have further settings; the units are to be generated anew."""
    machine.write("/srv/shop/shop/further.py", f"from shop.settings import *\n{text}\n")
    machine.sh("sed -i s/shop.settings/shop.further/ /etc/linod/shop.toml")


def stop_timers(machine: Machine, site: str) -> None:
    """No rule of a site is due any more; linod.target would start again what is only stopped."""
    machine.write(f"/etc/systemd/system/linod-{site}-.timer.d/off.conf", OFF)
    machine.sh(f"systemctl daemon-reload && systemctl stop 'linod-{site}-*.timer'")


def database_goes(machine: Machine) -> None:
    """Move the database of the shop away."""
    machine.sh(f"mkdir {STATE}/away && mv {STATE}/db.sqlite3* {STATE}/away/")


def database_comes(machine: Machine) -> None:
    """The database comes back; the file itself last, so that it is whole for whoever sees it."""
    machine.sh(
        f"cd {STATE} && rm -f db.sqlite3* && find away -name 'db.sqlite3-*' -exec mv -t . {{}} + &&"
        "mv away/db.sqlite3 . && rmdir away"
    )


def add_shops_code(machine: Machine) -> None:
    """The code of a second site, whose procedures misbehave, and its user."""
    machine.sh(
        "useradd --system --create-home shop && install -d -o shop /srv/shop &&"
        f"cp -r {SOURCE}/tests/sites/shop/. /srv/shop/ && chown -R shop /srv/shop"
    )


def add_shop(machine: Machine, settings: str = "shop.settings") -> None:
    """Make that code the site ``shop``."""
    machine.write(
        "/etc/linod/shop.toml",
        f'user = "shop"\nsettings = "{settings}"\n'
        'python = "/opt/linod/bin/python"\ndirectory = "/srv/shop"\n',
    )
    machine.sh("linod --site shop manage migrate -v0")
    machine.sh("linod-generate-units && systemctl daemon-reload")
    await_supervisor(machine, "shop")


def await_supervisor(machine: Machine, site: str) -> None:
    """Wait until a site has its timers and its supervisor."""

    def up() -> bool:
        timers = machine.sh("systemctl list-units --plain --no-legend --state=active 'linod-*.timer'")
        active = machine.run("systemctl", "is-active", f"linod-supervisor@{site}", check=False).stdout.strip()
        prefix = "linod-" if site == "default" else f"linod-{site}-"
        return active == "active" and prefix in timers

    try:
        machine.poll(up, 60, f"the supervisor and the timers of {site}")
    except MachineError as error:
        units = f"linod.target linod-supervisor@{site} linod-generate@{site}.path linod-generate@{site}"
        script = f"systemctl status --no-pager {units}; systemctl list-jobs; journalctl --no-pager -n 300"
        raise MachineError(f"{error}\n{machine.sh(script, check=False)}") from error
