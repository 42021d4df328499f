"""Judge whether a folder that a site names is one that its jobs may write. Changes nothing."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Iterable
from pathlib import Path

from linod_systemd.sites import config

PLAIN = re.compile(r"/[\w./+@ -]*")
# Trees that belong to the system; a site of its own lies elsewhere (hier(7)).
SYSTEM = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
)


def problem_of(site: config.Site, folder: str, others: Iterable[config.Site]) -> str:
    """The reason why a folder is not the site's to write into, to be said after “which”; or nothing.

    :param others: the other sites of this host.

    Example: ``/etc`` of any site: "lies in /etc, which belongs to the system".
    """
    if not PLAIN.fullmatch(folder):
        return "is no plain absolute path"
    if os.path.realpath(folder) != os.path.normpath(folder):
        return f"is a link to {os.path.realpath(folder)!r}"
    if holds_code(site, folder):
        return "holds the code of the site"
    for tree in SYSTEM:
        if _is_within(folder, tree):
            return f"lies in {tree}, which belongs to the system"
    for other in others:
        for place in (*_places(other), *other.writable):
            if _is_within(folder, place) or _is_within(place, folder):
                return f"is shared with {place} of the site {other.name}"
    try:
        status = os.stat(folder)
    except OSError as error:
        return f"cannot be looked at ({error.strerror})"
    if status.st_uid != pwd.getpwnam(site.user).pw_uid:
        return f"does not belong to {site.user}"
    return ""


def holds_code(site: config.Site, folder: str) -> bool:
    """Whether who may write the folder could write code of the site, as far as SITE.toml tells."""
    return any(_is_within(place, folder) for place in (site.directory, os.path.dirname(site.python)))


def _places(site: config.Site) -> tuple[str, ...]:
    return (site.directory, str(site.state_directory), str(site.log_directory))


def _is_within(folder: str, tree: str) -> bool:
    return Path(folder).is_relative_to(tree)
