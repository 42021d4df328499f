"""Tell root's side, on commit, of rules that changed (rules.json) and of runs that people asked for.

Whichever process of the site changed a rule does this.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.db import connections, transaction

from linod_systemd import clock
from linod_systemd.common import files
from linod_systemd.errors import ConfigurationError
from linod_systemd.rules import rules_file
from linod_systemd.sites import config, requests
from linod_systemd.store import database, pause, rule_store

logger = logging.getLogger("linod")


def on_commit(using: str | None = None) -> None:
    """Write rules.json once the current transaction is committed (at once where there is none)."""
    connection = connections[using or database.alias()]
    here = set(connection.savepoint_ids)
    if not any(callback is _export_now and sids <= here for sids, callback, *_ in connection.run_on_commit):
        transaction.on_commit(_export_now, using=connection.alias)


def _export_now() -> None:
    """Write rules.json. A failure is told, not raised: the commit has been made.

    The supervisor compares rows and file every 30 s, and says the same until it is mended.
    """
    try:
        export()
    except ConfigurationError as error:
        logger.error("%s", error)


def rule_changed(using: str | None = None, **_: Any) -> None:
    """Receiver of post_save and post_delete of JobRule."""
    on_commit(using)


def export(site: config.Site | None = None) -> bool:
    """Write the rows to rules.json, if it says something else; whether it did.

    :raises ConfigurationError: where the state folder cannot be written.
    """
    site = site or rule_store.current().site
    config.ensure_directories(site)
    try:
        # The lock is taken before the rules are read, or an older reading could overwrite a newer one.
        with files.locked(site.state_directory / "rules.lock"):
            text = wanted_text(site)
            if _read(site.rules_file) == text:
                return False
            # Asked before, too: who dies in between has asked, and root's side waits before it reads.
            requests.request_export(site)
            files.write_atomically(site.rules_file, text, mode=0o640)
            requests.request_export(site)
    except OSError as error:
        raise ConfigurationError(
            f"{site.rules_file} cannot be written ({error.strerror})",
            f"make room and check that {site.state_directory} belongs to {site.user}; then: "
            + config.command(site.name, "export"),
        ) from error
    return True


def wanted_text(site: config.Site) -> str:
    """The rules.json that the store asks for."""
    rules = []
    source = rule_store.current()
    paused = source.pauses(clock.utc_now())
    for stored in source.rules():
        rules.append(replace(stored.rule, paused_until=pause.end_of(stored.name, paused)))
    return rules_file.dump(site.name, source.timezone, rules)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def request_on_commit(rule: str, *, wanted: bool, using: str | None = None) -> None:
    """Ask for a run of the rule of this name (not ``wanted``: take that back) once it is committed."""
    transaction.on_commit(
        functools.partial(_request_run if wanted else _withdraw_run, rule), using=using or database.alias()
    )


def _request_run(rule: str) -> None:
    """Leave a request. A failure is told, not raised: the supervisor requests it again."""
    site = rule_store.current().site
    try:
        requests.request_run(site, rule)
    except OSError as error:
        logger.error("%s: a run cannot be asked for in %s: %s", rule, site.request_directory, error)


def _withdraw_run(rule: str) -> None:
    try:
        requests.withdraw_run(rule_store.current().site, rule)
    except OSError as error:
        logger.error("%s: what was asked for cannot be taken back: %s", rule, error)
