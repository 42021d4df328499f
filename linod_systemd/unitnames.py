"""The names of units: pure functions from a site and a rule."""

from __future__ import annotations

import string

PLAIN = frozenset((string.ascii_letters + string.digits + ":_.").encode())
LONGEST_UNIT_NAME = 255


def escape(name: str) -> str:
    """A name as ``systemd-escape`` writes it (systemd.unit(5))."""
    escaped = []
    for position, byte in enumerate(name.encode()):
        if byte == ord("/"):
            escaped.append("-")
        elif byte in PLAIN and not (position == 0 and byte == ord(".")):
            escaped.append(chr(byte))
        else:
            escaped.append(f"\\x{byte:02x}")
    return "".join(escaped)


def timer(prefix: str, rule: str) -> str:
    return f"{prefix}{escape(rule)}.timer"


def service(prefix: str, rule: str) -> str:
    return f"{prefix}{escape(rule)}.service"


def lock_file(rule: str) -> str:
    """The file by which one process at a time has the claim of a rule."""
    return f"{escape(rule)}.lock"


def journal_socket(site: str) -> str:
    return f"linod-journal-{site}.socket"


def supervisor(site: str) -> str:
    return f"linod-supervisor@{site}.service"
