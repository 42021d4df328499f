"""Check the settings and procedures of a site at start-up (Django's system checks)."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from linod_systemd import app_settings
from linod_systemd.procedures import Procedures
from linod_systemd.rules import ordering
from linod_systemd.sites import config
from linod_systemd.store import rule_store


@register()
def check_sqlite(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Several jobs write at once: SQLite then needs immediate transactions."""
    found: list[CheckMessage] = []
    for alias, database in settings.DATABASES.items():
        options: Any = database.get("OPTIONS", {})
        sqlite = database.get("ENGINE") == "django.db.backends.sqlite3"
        if sqlite and options.get("transaction_mode", "").upper() != "IMMEDIATE":
            found.append(
                Warning(
                    f"The SQLite database {alias!r} has no immediate transactions: jobs that write at the "
                    "same time can fail with “database is locked”.",
                    hint=f"Set DATABASES[{alias!r}]['OPTIONS']['transaction_mode'] = 'IMMEDIATE'.",
                    id="linod_systemd.W001",
                )
            )
    return found


@register()
def check_settings(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Our settings have the types that their readers take for granted."""
    return [
        Error(
            f"The setting {name} is {app_settings.get(name)!r}.",
            hint='Give a list of addresses, such as ["admin@example.org"].'
            if isinstance(default, list)
            else "Give a number that is not negative.",
            id="linod_systemd.E003",
        )
        for name, default in app_settings.DEFAULTS.items()
        if not _is_as(default, app_settings.get(name))
    ]


def _is_as(default: Any, value: Any) -> bool:
    """Whether a setting is of the kind of its default: a list of addresses, or a number."""
    if isinstance(default, list):
        is_list = isinstance(value, list | tuple)
        return is_list and all(isinstance(one, str) and "@" in one for one in value)
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


@register()
def check_run_after(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """``run_after`` names procedures that exist, and in no circle."""
    circle = ordering.circle({procedure.name: procedure.run_after for procedure in Procedures})
    if circle:
        return [
            Error(
                f"The procedures run after each other in a circle: {ordering.in_words(circle)}.",
                hint="Take one of the names out of the run_after of its decorator.",
                id="linod_systemd.E002",
            )
        ]
    return [
        Error(
            f"The procedure {procedure.name!r} at {procedure.place} is to run after {name!r}, "
            "which does not exist.",
            hint=f"Registered are {', '.join(Procedures.names())}.",
            id="linod_systemd.E001",
        )
        for procedure in Procedures
        for name in procedure.run_after
        if name not in Procedures
    ]


@register()
def check_state_directory(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """A process of the site that changes a rule has to write rules.json."""
    site = rule_store.current().site
    folder = site.state_directory
    if not folder.exists() or os.access(folder, os.W_OK):
        return []
    return [
        Warning(
            f"{config.user_name()} cannot write the state folder {folder}: a rule changed by this process "
            "reaches systemd only once the supervisor sees it.",
            hint=f"Run the site's processes as {site.user}.",
            id="linod_systemd.W002",
        )
    ]
