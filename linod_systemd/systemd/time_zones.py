"""Which time zones systemd knows: those of the host's own data, where python may have more.

Debian 13 has old names such as US/Eastern in the package tzdata-legacy alone; python finds them in the wheel
``tzdata`` (systemd.time(7), "Calendar Events").
"""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import resources
from pathlib import Path

DATA = Path("/usr/share/zoneinfo")
MAGIC = b"TZif"
LEAP_SECONDS = ("right/", "posix/")


def trouble(zone: str) -> str:
    """Return why systemd cannot ring in a zone, and the remedy; empty: it can."""
    if zone == "UTC" or not DATA.is_dir():
        return ""
    if zone.startswith(LEAP_SECONDS):
        return f"timezone {zone} counts leap seconds or not by itself: use {zone.partition('/')[2]}"
    if _is_known(zone):
        return ""
    present = _present_name(zone)
    instead = f"use {present}, or " if present else ""
    return f"systemd has no time zone {zone} on this host: {instead}apt install tzdata-legacy"


def state() -> str:
    """Return a text that is another one once the time zones of this host, or its systemd, have changed."""
    places = [DATA, *(Path(one.path) for one in _folders()), Path("/usr/lib/systemd/systemd")]
    return " ".join(str(path.stat().st_mtime_ns) for path in places if path.exists())


def _folders() -> list[os.DirEntry[str]]:
    if not DATA.is_dir():
        return []
    with os.scandir(DATA) as entries:
        return sorted((one for one in entries if one.is_dir(follow_symlinks=False)), key=lambda one: one.name)


def _is_known(zone: str) -> bool:
    try:
        with open(DATA / zone, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


@lru_cache(maxsize=32)
def _present_name(zone: str) -> str:
    """Return the zone of this host with the history of a name that python alone knows; empty: none."""
    try:
        old = resources.files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
        listed = (DATA / "tzdata.zi").read_text(encoding="utf-8")
    except (OSError, ImportError, ValueError):
        return ""
    names = [line.split()[1] for line in listed.splitlines() if line.startswith("Z ")]
    package = resources.files("tzdata").joinpath("zoneinfo")
    for name in names:
        try:
            if package.joinpath(*name.split("/")).read_bytes() == old:
                return name
        except OSError:
            continue
    return ""
