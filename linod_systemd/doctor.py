"""``linod doctor``: what is wrong with this host or site, each line with the remedy. Imports no site.

What only a site can say is asked of it as its user (site_process.py), and shown as said by it.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from linod_systemd import answers, conf, identity, programs, site_process, site_versions, systemd, unitnames
from linod_systemd.bus import Bus, BusError
from linod_systemd.conf import Site
from linod_systemd.errors import LinodError
from linod_systemd.site_process import Answer
from linod_systemd.visible import visible_line

MOST_SAID = 100  # lines of a site
CGROUP_2 = Path("/sys/fs/cgroup/cgroup.controllers")
NO_MANAGER = ("", "offline")  # is-system-running(systemctl(1)): no manager answers


@dataclass(frozen=True)
class Finding:
    """``site`` is empty for the host; ``remedy`` where it is not well."""

    site: str
    what: str
    is_well: bool
    remedy: str = ""


def doctor(options: argparse.Namespace) -> int:
    """Look at everything; 1 where something is wrong."""
    findings = []
    for finding in _all(options.name):
        findings.append(finding)
        if not options.json:
            place = f"{finding.site}: " if finding.site else ""
            said = f"{place}{finding.what}" + ("" if finding.is_well else f": {finding.remedy}")
            print(visible_line(f"{'ok   ' if finding.is_well else 'WRONG'}  {said}"), flush=True)
    if options.json:
        answers.give_json([vars(finding) for finding in findings])
    return int(not all(finding.is_well for finding in findings))


def _all(name: str | None) -> Iterator[Finding]:
    own = _own_site(name)
    yield from _host(per_user=own is not None)
    names = [name] if name else [path.stem for path in sorted(conf.config_directory().glob("*.toml"))]
    if own is not None:
        names = [own.name]
    if not names:
        yield Finding(
            "", "no site is configured", False, "sudo linod install-site NAME --settings … --user …"
        )
    for one in names:
        try:
            site = own or conf.read_site(conf.site_file(conf.check_site_name(one)))
            for check in SITE_CHECKS:
                yield from check(site)
        except LinodError as error:
            yield Finding(one, error.message, False, error.remedy)


def _own_site(name: str | None) -> Site | None:
    """That of a user without root: it has no SITE.toml, and is run by the user's own systemd."""
    is_configured = any(conf.config_directory().glob("*.toml"))
    if os.geteuid() == 0 or (is_configured and name is None and "DJANGO_SETTINGS_MODULE" not in os.environ):
        return None
    try:
        site = conf.find_site(name)
    except LinodError:
        return None  # it is told where its file is read
    return None if site.configured else site


def _host(*, per_user: bool) -> Iterator[Finding]:
    runs = systemd.is_running()
    yield Finding("", "systemd is PID 1", runs, "boot this host with systemd, or use: linod simulate")
    if not runs:
        return
    said = systemd.run(["systemctl", "--version"]).split()
    number = int(said[1]) if len(said) > 1 and said[1].isdigit() else 0
    yield Finding("", f"systemd is {number}", number >= 252, "upgrade: 252 is needed")
    yield Finding(
        "",
        "control groups are of version 2",
        CGROUP_2.exists(),
        "boot without systemd.unified_cgroup_hierarchy=0",
    )
    synchronised = systemd.run(
        ["timedatectl", "show", "-p", "NTPSynchronized", "--value"], check=False
    ).strip()
    yield Finding("", "the clock is synchronised", synchronised == "yes", "timedatectl set-ntp true")
    if per_user:
        lives = systemd.systemctl("is-system-running", per_user=True, check=False).strip() not in NO_MANAGER
        yield Finding("", "your own systemd answers", lives, "log in with a session of your own, as by ssh")
        if not lives:
            return
        try:
            with Bus(per_user=True):
                yield Finding("", "your own bus answers", True)
        except BusError as error:
            yield Finding("", f"jobs run cold, as {error.message}", False, error.remedy)
        linger = systemd.run(["loginctl", "show-user", conf.user_name(), "-P", "Linger"], check=False).strip()
        what = "your jobs go on while you are not logged in"
        yield Finding("", what, linger == "yes", "loginctl enable-linger")
    state = systemd.properties("linod.target", ["ActiveState"], per_user=per_user).get("ActiveState")
    remedy = f"{_systemctl(per_user)} enable --now linod.target"
    yield Finding("", "linod.target is active", state == "active", remedy)


def _systemctl(per_user: bool) -> str:
    return "systemctl --user" if per_user else "systemctl"


def _user(site: Site) -> Iterator[Finding]:
    account = identity.account_of(site)
    yield Finding(site.name, f"its user {site.user} exists", True)
    for folder in (site.state_directory, site.log_directory):
        remedy = conf.make_folder_remedy(site, folder)
        if not folder.is_dir():
            yield Finding(site.name, f"the folder {folder} is not there", False, remedy)
            continue
        owned = folder.stat().st_uid == account.pw_uid
        yield Finding(
            site.name,
            f"{folder} belongs to {site.user}",
            owned,
            f"chown -R {site.user} {shlex.quote(str(folder))}",
        )


def _python(site: Site) -> Iterator[Finding]:
    if not os.access(site.python, os.X_OK):
        remedy = f"correct `python` in {conf.site_file(site.name)}"
        yield Finding(site.name, f"its python {site.python} cannot be run", False, remedy)
        return
    found = site_versions.of(site)
    what = f"its linod-systemd is {found.its}, root's {site_versions.mine()}"
    yield Finding(site.name, what, found.is_current, found.remedy)


def _linod(site: Site, *words: str) -> Answer:
    """Run a command of ``linod`` as the site's user."""
    return site_process.ask_as(site, [site.python, "-m", "linod_systemd.cli", "--site", site.name, *words])


def _database(site: Site) -> Iterator[Finding]:
    done = _linod(site, "manage", "migrate", "--check", "-v0")
    if done.code and "linod: " in done.stderr:
        said = done.stderr.strip().splitlines()[-1].removeprefix("linod: ")
        what = f"it does not load; it says: {said:.300}"
        yield Finding(site.name, what, False, f"linod --site {site.name} manage check")
        return
    remedy = f"linod --site {site.name} manage migrate"
    yield Finding(site.name, "its database is migrated", done.code == 0, remedy)


def _rules(site: Site) -> Iterator[Finding]:
    done = _linod(site, "status")
    said = [line.removeprefix("linod: ") for line in done.stderr.splitlines() if line.startswith("linod: ")]
    for trouble in said[:MOST_SAID]:
        yield Finding(site.name, f"it says: rule {trouble:.300}", False, f"linod --site {site.name} jobs")
    if not said:
        yield Finding(site.name, "its rules are well", done.code == 0, f"linod --site {site.name} status")


def _units(site: Site) -> Iterator[Finding]:
    if not systemd.is_running():
        return
    per_user = not site.configured
    words = ["--site", site.name, "--check", *(["--user"] if per_user else [])]
    done = programs.run(
        programs.own_module("linod_systemd.generate", *words),
        seconds=site_process.QUESTION.seconds,
        folder=os.getcwd() if per_user else "/",  # where a project without SITE.toml is found
        environment=os.environ if per_user else {},
    )
    remedy = f"linod-generate-units{' --user' if per_user else ''} && {_systemctl(per_user)} daemon-reload"
    if done.code > 1:
        remedy = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else remedy
    yield Finding(site.name, "its units are in place and as generated", done.code == 0, remedy)
    pattern = re.escape(site.unit_prefix)
    upheld = systemd.properties("linod.target", ["Upholds"], per_user=per_user).get("Upholds", "").split()
    timers = [unit for unit in upheld if re.fullmatch(f"{pattern}.*\\.timer", unit)]
    others = [one for one in conf.configured_sites() if one.name != site.name]
    timers = [unit for unit in timers if not any(_is_closer(unit, site, other) for other in others)]
    states = {unit: systemd.properties(unit, ["ActiveState"], per_user=per_user) for unit in timers}
    idle = [unit for unit, state in states.items() if state.get("ActiveState") != "active"]
    remedy = f"{_systemctl(per_user)} start {shlex.join(idle)}"
    yield Finding(site.name, f"its {len(timers)} timers are active", not idle, remedy)


def _is_closer(unit: str, site: Site, other: Site) -> bool:
    """Whether a unit belongs to another site, whose prefix begins with that of this one."""
    return len(other.unit_prefix) > len(site.unit_prefix) and unit.startswith(other.unit_prefix)


def _supervisor(site: Site) -> Iterator[Finding]:
    if not systemd.is_running() or not site.supervisor:
        return
    unit = unitnames.supervisor(site.name)
    per_user = not site.configured
    shown = systemd.properties(unit, ["ActiveState", "StatusText"], per_user=per_user)
    remedy = f"journalctl {'--user-unit' if per_user else '-u'} {unit}"
    alive = shown.get("ActiveState") == "active"
    yield Finding(site.name, f"its supervisor is alive ({shown.get('StatusText', '')})", alive, remedy)


SITE_CHECKS: tuple[Callable[[Site], Iterator[Finding]], ...] = (
    _user,
    _python,
    _database,
    _units,
    _supervisor,
    _rules,
)
