"""A person asks for a run: what is committed is asked of root's side, by a file in the site's folder."""

from __future__ import annotations

import functools
import logging

from django.db import transaction

from linod_systemd import conf, request_folder

logger = logging.getLogger("linod")


def on_commit(rule: str, *, wanted: bool, using: str | None = None) -> None:
    """Ask for a run of the rule of this name (not ``wanted``: take that back) once it is committed."""
    transaction.on_commit(functools.partial(_ask if wanted else _withdraw, rule), using=using)


def _ask(rule: str) -> None:
    """What is committed stays: where it cannot be asked for, that is told, and the supervisor asks again."""
    site = conf.this_site()
    try:
        request_folder.ask_for_run(site, rule)
    except OSError as error:
        logger.error("%s: a run cannot be asked for in %s: %s", rule, site.request_directory, error)


def _withdraw(rule: str) -> None:
    try:
        request_folder.withdraw_run(conf.this_site(), rule)
    except OSError as error:
        logger.error("%s: what was asked for cannot be taken back: %s", rule, error)
