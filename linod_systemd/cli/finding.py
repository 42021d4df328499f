"""Finding: one line of ``linod doctor``."""

from __future__ import annotations

import os
from dataclasses import dataclass

from linod_systemd.sites import config
from linod_systemd.sites.config import Site


@dataclass(frozen=True)
class Finding:
    """``site`` is empty for the host; ``remedy`` where it is not well.

    Not ``is_seen``: this user may not look.
    """

    site: str
    what: str
    is_well: bool
    remedy: str = ""
    is_seen: bool = True

    @property
    def mark(self) -> str:
        if not self.is_seen:
            return "unseen"
        return "ok    " if self.is_well else "WRONG "


def may_see(site: Site) -> bool:
    """Whether this user may ask the site: root may, as its user, and its user, and a user whose own it is."""
    return os.geteuid() == 0 or not site.configured or config.user_name() == site.user


def unseen(site: Site, what: str) -> Finding:
    return Finding(site.name, what, True, f"sudo linod doctor {site.name}", is_seen=False)
