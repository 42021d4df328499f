"""What the settings of the demo site take from the machine: its time zone, and a secret of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import zoneinfo
from pathlib import Path

from linod_systemd.errors import ConfigurationError


def zone_name() -> str:
    """The machine's time zone: what /etc/localtime points to, ``$TZ``, or UTC.

    Not ``$TZ`` first: the timers follow the zone, and are not to move with the shell of whoever changes
    a rule (sudo hands it through).
    """
    linked = os.path.realpath("/etc/localtime").partition("zoneinfo/")[2]
    for name in (linked, os.environ.get("TZ", "").removeprefix(":")):
        try:
            if name and zoneinfo.ZoneInfo(name):
                return name
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return "UTC"


def secret_key(folder: Path) -> str:
    """The site's secret key; made once, in a file that only its user reads.

    :raises ConfigurationError: where it can be neither read nor made.
    """
    path = folder / "secret_key"
    try:
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="ascii")
    except OSError as error:
        raise ConfigurationError(
            f"the secret key {path} can be neither read nor made ({error.strerror})",
            "run it as root or as the site's user (sudo)",
        ) from error
    if not key:
        raise ConfigurationError(f"the secret key {path} is empty", "remove the file: a new one is made")
    return key


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".secret_key-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(50))
        # Whole or not at all, and the first of several processes wins.
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        os.unlink(name)
