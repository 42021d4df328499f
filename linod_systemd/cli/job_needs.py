"""What hinders the jobs of a site, as ``linod doctor`` sees it from outside: files, folders, variables.

Imports no site; what only a site can say is asked of it as its user.
"""

from __future__ import annotations

import json
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from linod_systemd.cli.finding import Finding, may_see
from linod_systemd.common.text import visible_line
from linod_systemd.errors import LinodError
from linod_systemd.site_processes import site_process
from linod_systemd.sites import config, environment_file, folders, site_user
from linod_systemd.sites.config import Site

MOST_NEEDS = 100  # that a site tells


def writable(site: Site) -> Iterator[Finding]:
    for folder in site.writable:
        if folders.holds_code(site, folder):
            again = f"sudo linod install-site {site.name}"
            remedy = f"take it out of `writable` in {config.site_file(site.name)}; then: {again}"
            yield Finding(site.name, f"its jobs can write {folder}, which holds its code", False, remedy)


def environment(site: Site) -> Iterator[Finding]:
    """Which lines of its environment_file mean nothing to systemd, nor to us."""
    if not site.environment_file or not may_see(site):
        return
    try:
        found = environment_file.read(site.environment_file)
    except LinodError as error:
        yield Finding(site.name, error.message, False, error.remedy)
        return
    for line, beginning in found.dropped:
        what = f"line {line} of {site.environment_file} is dropped: {visible_line(beginning):.40}"
        yield Finding(site.name, what, False, "write NAME=value, without `export`")


def sandbox(site: Site) -> Iterator[Finding]:
    if site.sandbox == "none":
        yield Finding(site.name, 'its jobs have no sandbox of mounts (sandbox = "none" in SITE.toml)', True)


def log(site: Site) -> Iterator[Finding]:
    """Whether lino.log can be written: a plain file of the site's user."""
    try:
        status = site.log_file.lstat()
        owner = site_user.account_of(site).pw_uid
    except FileNotFoundError:
        return  # the first record makes it
    except OSError:
        return  # of its folder it is told
    path = shlex.quote(str(site.log_file))
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        yield Finding(site.name, f"{site.log_file} is no plain file, and is not written", False, f"rm {path}")
    elif stat.S_ISREG(status.st_mode) and status.st_uid != owner:
        remedy = f"chown {site.user} {path}"
        yield Finding(site.name, f"{site.log_file} does not belong to {site.user}", False, remedy)


def needs(site: Site) -> Iterator[Finding]:
    """Whether jobs can write the folders that its settings name; the site says which these are."""
    if not may_see(site) or not site.configured:
        return
    answer = site_process.ask_as(site, [site.python, "-m", "linod_systemd.cli.site_facts", site.directory])
    try:
        told = json.loads(answer.stdout)["needs"] if answer.code == 0 else {}
        needs = {str(name): str(folder) for name, folder in dict(told).items()}
    except (ValueError, KeyError, TypeError):
        return  # it does not load, or speaks another version's words; both are told elsewhere
    places = (str(site.state_directory), str(site.log_directory), "/tmp", "/var/tmp", *site.writable)  # noqa: S108
    for name, folder in sorted(needs.items())[:MOST_NEEDS]:
        if site.sandbox != "none" and not any(Path(folder).is_relative_to(place) for place in places):
            what = f"{visible_line(f'jobs cannot write {folder} ({name})'):.500}"
            if name == "HOME":  # few programs need one, and it may hold code
                yield Finding(site.name, f"{what}; where a program needs it: docs/django.md", True)
            else:
                remedy = f"add it to `writable` in {config.site_file(site.name)}"
                yield Finding(site.name, what, False, remedy)
