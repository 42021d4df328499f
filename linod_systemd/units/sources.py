"""Find the sites for which the generator makes units."""

from __future__ import annotations

import os
from pathlib import Path

from linod_systemd.errors import ConfigurationError, LinodError
from linod_systemd.rules import rules_file
from linod_systemd.sites import config


def sites(name: str | None) -> tuple[list[config.Site], list[LinodError]]:
    """Return the site of this name, or all sites of this user; and the errors of the others.

    :raises ConfigurationError: where there is none, and something is wrong.
    """
    if name is not None:
        return [config.find_site(name)], []
    known, troubles = config.read_sites()
    mine = [site for site in known if os.geteuid() == 0 or site.user == config.user_name()]
    if mine:
        return mine, [*troubles]
    if troubles:
        raise troubles[0]
    if os.geteuid() == 0:
        return [] if any(config.config_directory().glob("*.toml")) else [config.demo_site()], []
    settings = os.environ.get("DJANGO_SETTINGS_MODULE", config.DEMO_SETTINGS)
    if settings != config.DEMO_SETTINGS:
        return [config.site_of_settings(settings)], []
    site = config.demo_by_default()
    if not site.rules_file.exists():
        raise ConfigurationError(
            "you have no site, and the demo site is not set up",
            "export DJANGO_SETTINGS_MODULE=… for yours; for the demo: linod manage migrate && linod setup",
        )
    return [site], []


def site_of_file(path: Path, name: str | None) -> config.Site:
    """The site of a rules.json that somebody named.

    :raises RulesFileError: where it cannot be read.
    """
    wanted_name = config.check_site_name(name or rules_file.site_of(path))
    known = {site.name: site for site in config.configured_sites()}
    return known.get(wanted_name) or config.demo_site(wanted_name)


def check_writable(site: config.Site) -> None:
    """No unit of a site starts where a folder is not there that it is to write into.

    :raises ConfigurationError: where one is missing.
    """
    for folder in site.writable:
        if not os.path.isdir(folder):
            raise ConfigurationError(
                f"{config.site_file(site.name)}: writable names {folder}, which is no folder",
                f"{config.make_folder_remedy(site, Path(folder))}, or correct the file",
            )
