"""The sites to generate units for, and what the rules.json of each says."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from linod_systemd import border, conf, desired
from linod_systemd.errors import ConfigurationError, LinodError
from linod_systemd.rule import RuleSet


@dataclass(frozen=True)
class Source:
    """One site and what its rules.json says (None: nothing yet)."""

    site: conf.Site
    rules: RuleSet | None


def read(options: argparse.Namespace, sites: list[conf.Site]) -> tuple[list[Source], list[LinodError]]:
    """The sites to generate for, and what is wrong with those that cannot be read: these keep their units."""
    if options.rules is not None:
        return [_source_of_file(options.rules, options.site)], []
    found: list[Source] = []
    # One that is named has said itself what is wrong with it.
    troubles: list[LinodError] = [] if options.site else [*conf.read_sites()[1]]
    for site in sites:
        try:
            _check_writable(site)
            found.append(Source(site, border.read_rules(site)))
        except LinodError as error:
            troubles.append(error)
    if troubles and not found:
        raise troubles[0]
    return found, troubles


def _check_writable(site: conf.Site) -> None:
    """No unit of a site starts where a folder is not there that it is to write into."""
    for folder in site.writable:
        if not os.path.isdir(folder):
            raise ConfigurationError(
                f"{conf.site_file(site.name)}: writable names {folder}, which is no folder",
                f"install -d -o {site.user} {folder}, or correct the file",
            )


def sites(name: str | None) -> list[conf.Site]:
    """The site of this name, or all that this user may generate for."""
    if name is not None:
        return [conf.find_site(name)]
    known, troubles = conf.read_sites()
    mine = [site for site in known if os.geteuid() == 0 or site.user == conf.user_name()]
    if mine:
        return mine
    if troubles:
        raise troubles[0]
    if os.geteuid() == 0:
        return [] if any(conf.config_directory().glob("*.toml")) else [conf.demo_site()]
    settings = os.environ.get("DJANGO_SETTINGS_MODULE", conf.DEMO_SETTINGS)
    return [conf.demo_site() if settings == conf.DEMO_SETTINGS else conf.site_of_settings(settings)]


def _source_of_file(path: Path, name: str | None) -> Source:
    rules = desired.read(path)
    wanted_name = conf.check_site_name(name or rules.site)
    known = {site.name: site for site in conf.configured_sites()}
    return Source(known.get(wanted_name) or conf.demo_site(wanted_name), rules)
