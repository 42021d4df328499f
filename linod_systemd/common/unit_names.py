"""Name the units: pure functions of a site and a rule. No other module makes such a name."""

from __future__ import annotations

import re
import string

PLAIN = frozenset((string.ascii_letters + string.digits + ":_.").encode())
LONGEST_UNIT_NAME = 255
TARGET = "linod.target"


def escape(name: str) -> str:
    """A name as ``systemd-escape`` writes it (systemd.unit(5)), but for the slash and a first dot.

    The slash is no dash here: that parts the site from the rule, so that no two of them have one name.
    """
    return "".join(chr(byte) if byte in PLAIN else f"\\x{byte:02x}" for byte in name.encode())


def prefix_of(site: str) -> str:
    """Return how the names of a site's timers and services begin: ``linod-shop-``, ``linod-`` for default."""
    return "linod-" if site == "default" else f"linod-{site}-"


def timer(prefix: str, rule: str) -> str:
    """Return the timer of a rule: ``linod-shop-checkdata.timer`` for the prefix ``linod-shop-``."""
    return f"{prefix}{escape(rule)}.timer"


def service(prefix: str, rule: str) -> str:
    """Return the service of a rule: ``linod-shop-checkdata.service``."""
    return f"{prefix}{escape(rule)}.service"


def lock_file(rule: str) -> str:
    """The file that the one process locks which runs the rule."""
    return f"{escape(rule)}.lock"


def journal_socket(site: str) -> str:
    """Return the socket by which a site asks the journal: ``linod-journal-shop.socket``."""
    return f"linod-journal-{site}.socket"


def generate_timer(site: str) -> str:
    """Return the timer of root's side: ``linod@shop.timer``."""
    return f"linod@{site}.timer"  # not of linod-*: list-timers shows rules alone


def logrotate_timer(site: str) -> str:
    """Return the timer that rotates a site's log: ``linod@shop.logrotate.timer``."""
    return f"linod@{site}.logrotate.timer"  # nor this


def logrotate(site: str) -> str:
    """Return the service that rotates a site's log: ``linod-logrotate@shop.service``."""
    return f"linod-logrotate@{site}.service"


def runtime_mount(site: str) -> str:
    """The mount unit of /run/linod/SITE; systemd gives it its name (systemd.mount(5))."""
    return f"run-linod-{site}.mount"


def supervisor(site: str) -> str:
    """Return the supervisor of a site: ``linod-supervisor@shop.service``."""
    return f"linod-supervisor@{site}.service"


def site_slice(site: str) -> str:
    """Return the slice of a site: ``linod-shop.slice``."""
    return f"linod-{site}.slice"


def generate_path(site: str) -> str:
    """Return the path unit that looks at a site's requests: ``linod-generate@shop.path``."""
    return f"linod-generate@{site}.path"


def generate(site: str) -> str:
    """Return the service of root's side: ``linod-generate@shop.service``."""
    return f"linod-generate@{site}.service"


def journal_service(site: str) -> str:
    """The template that the journal's socket starts an instance of."""
    return f"linod-journal-{site}@.service"


def failure(site: str, rule: str = "") -> str:
    """The unit that OnFailure= of a rule starts; without a rule, its template."""
    return f"linod-failure-{site}@{escape(rule)}.service"


def ended(site: str, rule: str = "") -> str:
    """The unit that OnSuccess= of a rule starts; without a rule, its template."""
    return f"linod-ended-{site}@{escape(rule)}.service"


def any_instance(template: str) -> str:
    """Return the pattern that systemctl takes for all instances of a template: ``linod-ended-shop@*``."""
    return f"{template.partition('@')[0]}@*"


def command(site: str, process: int, number: int) -> str:
    """The unit of a command that root has a site run: the ``number``-th of this process."""
    return f"linod-command@{site}-{process}-{number}.service"


def services_of(site: str) -> re.Pattern[str]:
    """Return the pattern of the names of a site's services: no escaped name of a rule has a dash."""
    rule = r"[A-Za-z0-9:_.\\]+"
    of_site = rf"linod-supervisor@{site}\.service|linod-(failure|ended)-{site}@.*"
    return re.compile(rf"{prefix_of(site)}{rule}\.service|{of_site}")
