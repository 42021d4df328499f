"""The database of our rows: reach it, say its errors in words that name the remedy, and whether it is well.

It is where Django's routers have the rows of this app written; that one is read, too, and no replica.
"""

from __future__ import annotations

import contextlib
import urllib.parse
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import DatabaseError, InterfaceError, OperationalError, connections, router, transaction

from linod_systemd.common import unit_names
from linod_systemd.errors import ConfigurationError
from linod_systemd.sites.config import Site
from linod_systemd.store import database_trouble
from linod_systemd.store.database_trouble import NOBODYS_FAULT, Trouble

ONLY_THERE = "?mode=rw"  # of a file: URI of SQLite's: open what is there, make nothing


class DatabaseAway(ConfigurationError):
    """The database cannot be used: it is away, locked, full, not migrated, or refuses a row."""


class NotMigrated(DatabaseAway):
    """The database has no tables of ours yet, or has not its columns; `migrate` makes them."""


def alias() -> str:
    """Return the name in DATABASES of the database that has the rows of this app."""
    return router.db_for_write(apps.get_model("linod_systemd", "Job"))


def connection() -> Any:
    """Return the connection of this thread to it."""
    return connections[alias()]


def atomic() -> contextlib.AbstractContextManager[None]:
    """Return a transaction in that database."""
    return transaction.atomic(using=alias())


@contextlib.contextmanager
def explained(site: Site) -> Iterator[None]:
    """Turn what the database says into an error for people.

    :raises DatabaseAway: for a database that is not migrated, locked or away, or refuses a row.
    """
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        connection().close_if_unusable_or_obsolete()  # what comes next may find the server again
        raise _explained(site, error) from error


@contextlib.contextmanager
def reachable(site: Site) -> Iterator[None]:
    """Do this for work that needs an existing database: SQLite would make an empty one in its place.

    :raises DatabaseAway: as :func:`explained`, and where the file of an SQLite database is missing.
    """
    with explained(site):
        try:
            _connect()
        except OperationalError as error:
            missing = missing_file()
            if missing is None:
                raise
            raise NotMigrated(
                f"the database of site {site.name!r} is away ({missing} does not exist)",
                f"put it back, or make it: linod --site {site.name} manage migrate",
            ) from error
        yield


def _connect() -> None:
    """Open the connection, and make no database: a look before would leave a moment in which it may go.

    Where the file is missing, this process makes none from then on: neither by what the procedure asks.
    """
    path, used = file(), connection()
    own = used.settings_dict
    if str(own["NAME"]).endswith(ONLY_THERE):
        own = own | {"NAME": str(path)}
    if path is not None:
        used.settings_dict = own | {"NAME": f"file:{urllib.parse.quote(str(path))}{ONLY_THERE}"}
    try:
        used.ensure_connection()
    finally:
        if missing_file() is None:
            used.settings_dict = own


def missing_file() -> Path | None:
    """The file of the SQLite database that should be there and is not."""
    path = file()
    return None if path is None or path.exists() else path


def file() -> Path | None:
    """The file of the SQLite database, where it is one, whether it is there or not."""
    used = connection()
    name = str(used.settings_dict["NAME"])
    if name.endswith(ONLY_THERE):
        name = urllib.parse.unquote(name.removeprefix("file:").removesuffix(ONLY_THERE))
    return None if used.vendor != "sqlite" or ":" in name else Path(name)


def is_to_blame(error: BaseException) -> bool:
    """Whether what a procedure raised is the trouble of a database and not of a query."""
    troubles = database_trouble.among(error)
    if troubles & NOBODYS_FAULT:
        return True
    return bool(troubles) and Trouble.REFUSED not in troubles and not _is_well()


def _is_well() -> bool:
    """Whether our database can be read and written, by a connection that is new."""
    try:
        connection().close()
        _connect()
        # No row has this key; a database that only reads refuses the statement all the same.
        apps.get_model("linod_systemd", "Job").objects.filter(uuid=uuid.uuid4()).update(reason="")
    except (DatabaseError, InterfaceError):
        return False
    return True


def _explained(site: Site, error: Exception) -> DatabaseAway:
    said = " ".join(str(error).split())
    migrate = f"linod --site {site.name} manage migrate"
    match database_trouble.of(error):
        case Trouble.NOT_MIGRATED:
            return NotMigrated(f"the database of site {site.name!r} is not migrated ({said})", migrate)
        case Trouble.REFUSED:
            return DatabaseAway(
                f"the database of site {site.name!r} refuses a row ({said})",
                f"look for a column or a trigger that is newer than the code, then: {migrate}; and have "
                f"the new code run: systemctl reload {unit_names.supervisor(site.name)}",
            )
        case Trouble.AWAY if "statement pooling" in said:  # PgBouncer gives it the code of a broken protocol
            return DatabaseAway(
                f"the pooler of site {site.name!r} is in statement mode, which has no transactions ({said})",
                "set pool_mode = transaction, or session, in pgbouncer.ini",
            )
        case Trouble.LOCKED:
            return DatabaseAway(
                f"the database of site {site.name!r} is locked by another process ({said})",
                "end what holds it, or raise OPTIONS['timeout'] in DATABASES, and try again",
            )
        case Trouble.READ_ONLY:
            return DatabaseAway(
                f"the database of site {site.name!r} cannot be written, only read ({said})",
                f"check that its file and its folder belong to {site.user}"
                if connection().vendor == "sqlite"
                else "check that DATABASES names the primary server, and its default_transaction_read_only",
            )
        case Trouble.FULL:
            return DatabaseAway(
                f"the database of site {site.name!r} is full ({said})", "make room on its disk"
            )
        case _:
            return DatabaseAway(
                f"the database of site {site.name!r} is away ({said})",
                "check DATABASES and that its server runs",
            )
