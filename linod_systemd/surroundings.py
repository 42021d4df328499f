"""What a site says of itself, for its SITE.toml: ``python -m linod_systemd.surroundings DIRECTORY``, run as
its user. The answer is one JSON object on stdout; what the site prints as it loads goes to stderr."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def surroundings() -> dict[str, Any]:
    """Where its log lies, if it has a folder for it, and the folders that it writes into."""
    import django
    from django.conf import settings
    from django.db import connections

    django.setup()
    from django.apps import apps

    from linod_systemd import conf, database

    if not apps.is_installed("linod_systemd"):
        raise SystemExit(
            "linod_systemd is none of its apps: add it to INSTALLED_APPS (Lino: get_installed_plugins)"
        )
    try:
        with database.reachable(conf.this_site()):
            apps.get_model("linod_systemd", "JobRule").objects.exists()
    except database.DatabaseAway as error:
        raise SystemExit(f"{error.message}; manage.py migrate makes its tables") from error
    writable = [Path(settings.MEDIA_ROOT)] if settings.MEDIA_ROOT else []
    for connection in connections.all():
        name = str(connection.settings_dict["NAME"])
        if connection.vendor == "sqlite" and name.startswith("/"):
            writable.append(Path(name).parent)
    lino = getattr(settings, "SITE", None)
    log = Path(lino.site_dir) / "log" if lino is not None else None
    return {
        "log_directory": str(log) if log is not None and log.is_dir() else None,
        "writable": sorted({str(folder) for folder in writable if folder.is_dir()}),
    }


if __name__ == "__main__":
    answer = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.chdir(sys.argv[1])
    sys.path.insert(0, sys.argv[1])
    with os.fdopen(answer, "w", encoding="utf-8") as file:
        json.dump(surroundings(), file)
