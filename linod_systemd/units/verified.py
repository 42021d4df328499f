"""Note that all units of a site were verified: once per boot, and per change of systemd or tzdata.

What systemd took once it may not take any more: a time zone is gone, a directive has another meaning.
"""

from __future__ import annotations

from pathlib import Path

from linod_systemd.common import files
from linod_systemd.systemd import boot, time_zones
from linod_systemd.units import locks


def holds(site: str, units: Path) -> bool:
    """Whether the units of a site in this folder were verified as things are now."""
    try:
        return locks.note_path(site, units).read_text(encoding="utf-8") == _now()
    except FileNotFoundError:
        return False


def note(site: str, units: Path) -> None:
    """:raises OSError: where that cannot be kept."""
    files.write_atomically(locks.note_path(site, units), _now(), mode=0o600)


def _now() -> str:
    return f"{boot.boot_id()} {time_zones.state()}\n"
