"""Compare the linod-systemd of each site's environment with root's, and bring it up to date.

pip runs as the owner of the environment: a site puts into it what it likes, and root runs none of that.
"""

from __future__ import annotations

import argparse
import os
import pwd
import sys
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from linod_systemd.cli.output import agrees, say
from linod_systemd.common import unit_names
from linod_systemd.common.text import visible_line
from linod_systemd.errors import ConfigurationError, LinodError
from linod_systemd.site_processes import site_process
from linod_systemd.sites import config, trust
from linod_systemd.sites.config import Site
from linod_systemd.systemd import systemctl

ASK = "from importlib.metadata import version; print(version('linod-systemd'))"
MOST_CHARACTERS = 80


@dataclass(frozen=True)
class SiteVersion:
    """``its``: the version in the site's environment, or ``none``; ``owner``: who brings it up to date.

    That is the site's user, but where the environment is another's, and the site could put none in its place.
    """

    site: Site
    its: str
    owner: str

    @property
    def is_current(self) -> bool:
        return self.its == mine()

    @property
    def update(self) -> list[str]:
        """The command by which the owner brings the environment to root's version."""
        wheels = Path(sys.prefix, "wheels")
        found = sorted(wheels.glob("linod_systemd-*.whl"))
        wanted = [f"--find-links={wheels}", str(found[0])] if found else [f"linod-systemd=={mine()}"]
        return [self.site.python, "-m", "pip", "install", "--quiet", *wanted]

    @property
    def remedy(self) -> str:
        """The line that root types."""
        return config.as_user(replace(self.site, user=self.owner), *self.update)


def mine() -> str:
    """The version that runs here, such as ``0.1.0+g1a2b3c4d5e``: the release and the commit."""
    return version("linod-systemd")


def of(site: Site) -> SiteVersion:
    """:raises LinodError: where its python cannot be run."""
    if os.path.samefile(os.path.dirname(site.python), os.path.dirname(sys.executable)):
        return SiteVersion(site, mine(), site.user)  # this one
    said = site_process.ask_as(site, [site.python, "-c", ASK])
    its = said.stdout.strip()[:MOST_CHARACTERS] or "none"
    # A site that could name the folder would let another's user run its python.
    owner = trust.sole_owner(os.path.dirname(site.python))
    try:
        return SiteVersion(site, its, site.user if owner is None else pwd.getpwuid(owner).pw_name)
    except KeyError:  # a user that is gone
        return SiteVersion(site, its, site.user)


def update_sites(options: argparse.Namespace) -> int:
    """Say which sites have another version, and bring them root's; 1 where one is left behind.

    With ``--tables`` only the tables of linod_systemd are made anew, of the sites that have root's version.

    :raises ConfigurationError: without root.
    """
    if os.geteuid() != 0:
        raise ConfigurationError("sites are brought up to date as their users", "sudo linod update-sites")
    sites, troubles = config.read_sites()
    for trouble in troubles:
        print(f"linod: {trouble}", file=sys.stderr)
    left = len(troubles)
    for site in sites:
        try:
            found = of(site)
        except (LinodError, OSError) as error:
            print(f"linod: {visible_line(f'{site.name}: {error}')}", file=sys.stderr)
            left += 1
            continue
        if options.tables:
            is_well = not found.is_current or _make_tables(site)
        else:
            is_well = found.is_current or _update(found, options)
        left += not is_well
    return int(left > 0)


def _update(found: SiteVersion, options: argparse.Namespace) -> bool:
    """Whether the site has root's version now."""
    site = found.site
    say(f"{site.name}: its linod-systemd is {found.its}, root's {mine()}")
    question = f"Bring {site.name} up to date now, as the user {found.owner}?"
    if found.owner == "root" or not (options.yes or agrees(question)):
        say(f"to bring it up to date: {found.remedy}")
        return False
    code = site_process.relay(replace(site, user=found.owner), found.update, site_process.LONG)
    if code != 0:
        print(f"linod: {site.name}: pip ended with {code}; to try again: {found.remedy}", file=sys.stderr)
        return False
    say(f"{site.name}: its linod-systemd is {of(site).its} now")
    if not _make_tables(site):
        return False
    if systemctl.is_running():
        systemctl.systemctl("try-restart", unit_names.supervisor(site.name), check=False)
    return True


def _make_tables(site: Site) -> bool:
    """Have the site bring the tables of linod_systemd to this version; whether it did."""
    command = [site.python, "-m", "linod_systemd.cli.site_facts", site.directory, "--migrate-ours"]
    if site_process.relay(site, command, site_process.LONG) == 0:
        return True
    remedy = config.command(site.name, "manage", "migrate")
    print(
        f"linod: {site.name}: the tables of linod_systemd could not be made; try: {remedy}", file=sys.stderr
    )
    return False
