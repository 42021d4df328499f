"""Collect the facts of a site for its SITE.toml: ``python -m linod_systemd.cli.site_facts DIRECTORY``.

It runs as the site's user, prints one JSON object on stdout, and sends to stderr whatever the site prints as
it loads. With ``--migrate`` it makes the tables of the database, with ``--migrate-ours`` those of
linod_systemd, and answers nothing.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def surroundings() -> dict[str, Any]:
    """Where its log lies, if it has a folder for it; the folders that it writes into, but for those that hold
    code; the SQLite databases that lie beside code; why its tables are to be made, or nothing.

    :raises SystemExit: where linod_systemd is none of its apps, or the database is away.
    """
    from django.apps import apps
    from django.conf import settings

    from linod_systemd.store import database, rule_store

    if not apps.is_installed("linod_systemd"):
        raise SystemExit(
            "linod_systemd is none of its apps: add it to INSTALLED_APPS (Lino: get_installed_plugins)"
        )
    to_migrate = ""
    try:
        with database.reachable(rule_store.current().site):
            apps.get_model("linod_systemd", "JobRule").objects.exists()
    except database.NotMigrated as error:
        to_migrate = error.message
    except database.DatabaseAway as error:
        raise SystemExit(str(error)) from error
    code = [os.getcwd(), *_code()]
    writable = [Path(settings.MEDIA_ROOT)] if settings.MEDIA_ROOT else []
    beside = []
    for _, name in _sqlite_files():
        if _holds(Path(name).resolve().parent, code):
            beside.append(name)
        else:
            writable.append(Path(name).resolve().parent)
    lino = getattr(settings, "SITE", None)
    log = Path(lino.site_dir) / "log" if lino is not None else None
    return {
        "log_directory": str(log) if log is not None and log.is_dir() else None,
        "writable": sorted({str(one) for one in writable if one.is_dir() and not _holds(one, code)}),
        "databases_beside_code": beside,
        "to_migrate": to_migrate,
        "needs": dict(_needs()),
    }


def _sqlite_files() -> Iterator[tuple[str, str]]:
    """The SQLite databases that are files, by their names in DATABASES."""
    from django.conf import settings
    from django.db import connections

    for alias, options in settings.DATABASES.items():
        if connections[alias].vendor == "sqlite" and str(options["NAME"]).startswith("/"):
            yield alias, str(options["NAME"])


def _needs() -> Iterator[tuple[str, str]]:
    """The folders that it writes into, by what names them: those that exist and its user may write."""
    import logging

    from django.conf import settings

    named = {"HOME": os.environ.get("HOME", ""), "MEDIA_ROOT": str(settings.MEDIA_ROOT)}
    named |= {f"DATABASES[{alias!r}]": str(Path(name).resolve().parent) for alias, name in _sqlite_files()}
    for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.FileHandler):
                named[f"the log {Path(handler.baseFilename).name}"] = os.path.dirname(handler.baseFilename)
    for what, folder in named.items():
        if folder.startswith("/") and os.path.isdir(folder) and os.access(folder, os.W_OK):
            yield what, os.path.realpath(folder)


def _code() -> Iterator[str]:
    """Where the code of the site lies: its settings, its apps, its python."""
    from django.apps import apps
    from django.conf import settings

    yield sys.prefix
    yield os.path.dirname(sys.modules[settings.SETTINGS_MODULE].__file__ or sys.prefix)
    yield from (config.path for config in apps.get_app_configs())


def _holds(folder: Path, code: list[str]) -> bool:
    """Whether who may write the folder could write code of the site."""
    return any(Path(place).resolve().is_relative_to(folder.resolve()) for place in code)


def main(directory: str, *words: str) -> None:
    """Load the site in its directory, and answer, or migrate."""
    answer = os.dup(sys.stdout.fileno())
    if not words:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.chdir(directory)
    sys.path.insert(0, directory)
    import django

    django.setup()
    if words == ("--migrate",):
        from django.core.management import call_command

        call_command("migrate")
        return
    if words == ("--migrate-ours",):
        from django.core.management import call_command

        from linod_systemd.store import database

        call_command("migrate", "linod_systemd", database=database.alias(), interactive=False, verbosity=0)
        return
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        json.dump(surroundings(), file)


if __name__ == "__main__":
    main(*sys.argv[1:])
