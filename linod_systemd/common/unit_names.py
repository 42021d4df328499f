"""The names of units: pure functions from a site and a rule."""

from __future__ import annotations

import string

PLAIN = frozenset((string.ascii_letters + string.digits + ":_.").encode())
LONGEST_UNIT_NAME = 255


def escape(name: str) -> str:
    """A name as ``systemd-escape`` writes it (systemd.unit(5)), but for the slash and a first dot.

    The slash is no dash here: that parts the site from the rule, so that no two of them have one name.
    """
    return "".join(chr(byte) if byte in PLAIN else f"\\x{byte:02x}" for byte in name.encode())


def timer(prefix: str, rule: str) -> str:
    return f"{prefix}{escape(rule)}.timer"


def service(prefix: str, rule: str) -> str:
    return f"{prefix}{escape(rule)}.service"


def lock_file(rule: str) -> str:
    """The file by which one process at a time has the claim of a rule."""
    return f"{escape(rule)}.lock"


def journal_socket(site: str) -> str:
    return f"linod-journal-{site}.socket"


def generate_timer(site: str) -> str:
    return f"linod@{site}.timer"  # not of linod-*: list-timers shows rules alone


def logrotate_timer(site: str) -> str:
    return f"linod@{site}.logrotate.timer"  # nor this


def logrotate(site: str) -> str:
    return f"linod-logrotate@{site}.service"


def runtime_mount(site: str) -> str:
    """The mount unit of /run/linod/SITE; systemd gives it its name (systemd.mount(5))."""
    return f"run-linod-{site}.mount"


def supervisor(site: str) -> str:
    return f"linod-supervisor@{site}.service"
