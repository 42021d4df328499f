"""Examine a host and its sites for ``linod doctor``; each fault has its remedy. Imports no site.

What only a site can say is asked of it as its user (site_processes/site_process.py), and shown as said by it.
"""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from linod_systemd.cli import job_needs, output, update_sites
from linod_systemd.cli.finding import Finding, may_see, unseen
from linod_systemd.common import unit_names
from linod_systemd.common.text import visible_line
from linod_systemd.common.unit_names import TARGET
from linod_systemd.errors import LinodError
from linod_systemd.site_processes import site_process
from linod_systemd.site_processes.site_process import Answer
from linod_systemd.sites import config, programs, site_user
from linod_systemd.sites.config import Site
from linod_systemd.systemd import systemctl, unit_health
from linod_systemd.systemd.dbus import Bus, BusError
from linod_systemd.systemd.unit_health import Trouble

MOST_SAID = 100  # lines of a site
CGROUP_2 = Path("/sys/fs/cgroup/cgroup.controllers")
TIME_UNITS = ("systemd-timesyncd.service", "chrony.service", "ntpsec.service")
NO_MANAGER = ("", "offline")  # is-system-running(systemctl(1)): no manager answers


def doctor(options: argparse.Namespace) -> int:
    """Look at everything; 1 where something is wrong."""
    findings = []
    for finding in _all(options.name):
        findings.append(finding)
        if not options.json:
            place = f"{finding.site}: " if finding.site else ""
            said = f"{place}{finding.what}" + (f": {finding.remedy}" if finding.remedy else "")
            print(visible_line(f"{finding.mark}  {said}"), flush=True)
    if options.json:
        output.give_json([vars(finding) for finding in findings])
    return int(not all(finding.is_well for finding in findings))


def _well(site: str, what: str, is_well: bool, remedy: str) -> Finding:
    return Finding(site, what, is_well, "" if is_well else remedy)


def _all(name: str | None) -> Iterator[Finding]:
    own = _own_site(name)
    yield from _host(per_user=own is not None)
    names = [name] if name else [path.stem for path in sorted(config.config_directory().glob("*.toml"))]
    if own is not None:
        names = [own.name]
    if not names:
        remedy = "sudo linod install-site NAME --settings … --user …"
        yield Finding("", "no site is configured", False, remedy)
    for one in names:
        try:
            site = own or config.read_site(config.site_file(config.check_site_name(one)))
            for check in SITE_CHECKS:
                yield from check(site)
        except LinodError as error:
            yield Finding(one, error.message, False, error.remedy)


def _own_site(name: str | None) -> Site | None:
    """That of a user without root: it has no SITE.toml, and is run by the user's own systemd."""
    is_configured = any(config.config_directory().glob("*.toml"))
    if os.geteuid() == 0 or (is_configured and name is None and "DJANGO_SETTINGS_MODULE" not in os.environ):
        return None
    try:
        site = config.find_site(name)
    except LinodError:
        return None  # it is told where its file is read
    return None if site.configured else site


def _host(*, per_user: bool) -> Iterator[Finding]:
    runs = systemctl.is_running()
    yield _well("", "systemd is PID 1", runs, "boot this host with systemd, or use: linod simulate")
    if not runs:
        return
    said = systemctl.run(["systemctl", "--version"]).split()
    number = int(said[1]) if len(said) > 1 and said[1].isdigit() else 0
    yield _well("", f"systemd is {number}", number >= 252, "upgrade: 252 is needed")
    remedy = "boot without systemd.unified_cgroup_hierarchy=0"
    yield _well("", "control groups are of version 2", CGROUP_2.exists(), remedy)
    synchronised = systemctl.run(
        ["timedatectl", "show", "-p", "NTPSynchronized", "--value"], check=False
    ).strip()
    yield _well("", "the clock is synchronised", synchronised == "yes", _clock_remedy())
    if per_user:
        lives = systemctl.systemctl("is-system-running", per_user=True, check=False).strip() not in NO_MANAGER
        yield _well("", "your own systemd answers", lives, "log in with a session of your own, as by ssh")
        if not lives:
            return
        try:
            with Bus(per_user=True):
                yield Finding("", "your own bus answers", True)
        except BusError as error:
            yield Finding("", f"jobs run cold, as {error.message}", False, error.remedy)
        linger = systemctl.run(
            ["loginctl", "show-user", config.user_name(), "-P", "Linger"], check=False
        ).strip()
        what = "your jobs go on while you are not logged in"
        yield _well("", what, linger == "yes", _linger_remedy())
    if not per_user and os.geteuid() == 0:
        yield from _mounts()
    state = systemctl.properties(TARGET, ["ActiveState"], per_user=per_user).get("ActiveState")
    remedy = f"systemctl {'--user ' if per_user else ''}enable --now {TARGET}"
    yield _well("", f"{TARGET} is active", state == "active", remedy)


def _mounts() -> Iterator[Finding]:
    """Whether a service may have mounts of its own: in a container without nesting it may not."""
    sandbox = ("-p", "PrivateTmp=yes", "-p", "ProtectSystem=strict")
    done = programs.run(["systemd-run", "--wait", "--quiet", "--collect", *sandbox, "true"], seconds=60)
    what = "services can have a sandbox" if done.code == 0 else "services cannot have mounts (226/NAMESPACE)"
    need_them = [site.name for site in config.configured_sites() if site.sandbox != "none"]
    remedy = 'allow it (LXC, Proxmox: nesting), or write sandbox = "none" into the SITE.toml of '
    yield _well("", what, done.code == 0 or not need_them, remedy + ", ".join(need_them))


def _clock_remedy() -> str:
    """timedatectl(1) needs a service that sets the clock, which a minimal Debian has not."""
    units = systemctl.systemctl("list-unit-files", "--no-legend", *TIME_UNITS, check=False)
    return "timedatectl set-ntp true" if units.strip() else "apt install systemd-timesyncd"


def _linger_remedy() -> str:
    """A user may turn it on, if polkit runs; else root does."""
    user = shlex.quote(config.user_name())
    has_polkit = systemctl.systemctl("list-unit-files", "--no-legend", "polkit.service", check=False).strip()
    return "loginctl enable-linger" if has_polkit else f"as root: loginctl enable-linger {user}"


def _user(site: Site) -> Iterator[Finding]:
    account = site_user.account_of(site)
    yield Finding(site.name, f"its user {site.user} exists", True)
    for folder in (site.state_directory, site.log_directory):
        try:
            owner = folder.stat().st_uid
        except PermissionError:
            yield unseen(site, f"whether {folder} is well")
        except (FileNotFoundError, NotADirectoryError):
            remedy = config.make_folder_remedy(site, folder)
            yield Finding(site.name, f"the folder {folder} is not there", False, remedy)
        else:
            remedy = f"chown -R {site.user} {shlex.quote(str(folder))}"
            yield _well(site.name, f"{folder} belongs to {site.user}", owner == account.pw_uid, remedy)


def _python(site: Site) -> Iterator[Finding]:
    if not may_see(site):
        yield unseen(site, "its linod-systemd, its database, its rules")
        return
    if not os.access(site.python, os.X_OK):
        remedy = f"correct `python` in {config.site_file(site.name)}"
        yield Finding(site.name, f"its python {site.python} cannot be run", False, remedy)
        return
    found = update_sites.of(site)
    what = f"its linod-systemd is {found.its}, root's {update_sites.mine()}"
    yield _well(site.name, what, found.is_current, found.remedy)


def _linod(site: Site, *words: str) -> Answer:
    """Run a command of ``linod`` as the site's user."""
    command = [site.python, "-m", "linod_systemd.cli", "--site", site.name, *words]
    return site_process.ask_as(site, command)


def _database(site: Site) -> Iterator[Finding]:
    if not may_see(site):
        return
    done = _linod(site, "manage", "migrate", "--check", "-v0")
    if done.code and "linod: " in done.stderr:
        said = done.stderr.strip().splitlines()[-1].removeprefix("linod: ")
        what = f"it does not load; it says: {said:.300}"
        yield Finding(site.name, what, False, config.command(site.name, "manage", "check"))
        return
    remedy = config.command(site.name, "manage", "migrate")
    yield _well(site.name, "its database is migrated", done.code == 0, remedy)


def _health(site: Site) -> Iterator[Finding]:
    """Whether the unit files are as generated; then what systemd makes of them, by the one judgement of that;
    then what the site says of its rules."""
    if systemctl.is_running() and may_see(site):
        yield _generated(site)
    troubles = unit_health.of_site(site)
    if systemctl.is_running():
        yield from _units(site, troubles)
    if may_see(site):
        yield from _rules(site, [trouble.what for trouble in troubles])


def _units(site: Site, troubles: Sequence[Trouble]) -> Iterator[Finding]:
    for trouble in troubles:
        if TARGET not in trouble.what:  # which is of the host, and told there
            yield Finding(site.name, trouble.what, False, trouble.remedy)
    if troubles:
        return
    yield Finding(site.name, f"its {len(unit_health.upheld_timers(site))} timers are active", True)
    if site.supervisor:
        unit = unit_names.supervisor(site.name)
        said = systemctl.properties(unit, ["StatusText"], per_user=not site.configured).get("StatusText", "")
        yield Finding(site.name, f"its supervisor is alive ({said})", True)


def _generated(site: Site) -> Finding:
    per_user = not site.configured
    words = ["--site", site.name, "--check", *(["--user"] if per_user else [])]
    done = programs.run(
        programs.own_module("linod_systemd.units.generate", *words),
        seconds=site_process.QUESTION.seconds,
        folder=os.getcwd() if per_user else "/",  # where a project without SITE.toml is found
        environment=os.environ if per_user else {},
    )
    remedy = unit_health.generate(site)
    if done.code > 1:
        remedy = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else remedy
    return _well(site.name, "its units are in place and as generated", done.code == 0, remedy)


def _rules(site: Site, known: Sequence[str]) -> Iterator[Finding]:
    """Ask the site for `linod status`, as its user.

    :param known: what is wrong with its units, as was seen without the site.
    """
    done = _linod(site, "status")
    said = [line.removeprefix("linod: ") for line in done.stderr.splitlines() if line.startswith("linod: ")]
    said = [line for line in said if not any(what in line for what in known)]
    for trouble in said[:MOST_SAID]:
        yield Finding(site.name, f"it says: {trouble:.500}", False, config.command(site.name, "status"))
    if not said:
        is_well = done.code == 0 or bool(known)
        yield _well(site.name, "its rules are well", is_well, config.command(site.name, "status"))


SITE_CHECKS: tuple[Callable[[Site], Iterator[Finding]], ...] = (
    _user,
    job_needs.writable,
    job_needs.environment,
    job_needs.sandbox,
    job_needs.log,
    job_needs.needs,
    _python,
    _database,
    _health,
)
