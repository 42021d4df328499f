"""Say errors of the database in words that name the remedy, and whether the database is to blame."""

from __future__ import annotations

import contextlib
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError, connection

from linod_systemd.errors import ConfigurationError
from linod_systemd.sites.config import Site

# What PostgreSQL, MariaDB and SQLite say when they, and not a query, have trouble.
TROUBLE = re.compile(
    r"connect|server closed|gone away|terminating|starting up|shutting down|timeout expired"
    r"|unable to open|is locked|readonly|disk",
    re.IGNORECASE,
)


# The same of a table or column that is not there; also a role or a database may "not exist".
NOT_MIGRATED = re.compile(
    r"no such (table|column)|(relation|column) .* does not exist|Table .* doesn't exist"
)
ONLY_THERE = "?mode=rw"  # of a file: URI of SQLite's: open what is there, make nothing


class DatabaseAway(ConfigurationError):
    """The database cannot be used: it is away, locked, full or not migrated."""


class NotMigrated(DatabaseAway):
    """The database has no tables of ours yet, or has not its columns; `migrate` makes them."""


@contextlib.contextmanager
def explained(site: Site) -> Iterator[None]:
    """Turn what the database says into an error for people.

    :raises DatabaseAway: for a database that is not migrated, locked or away.
    """
    try:
        yield
    except (IntegrityError, DataError):
        raise
    except (DatabaseError, InterfaceError) as error:
        connection.close_if_unusable_or_obsolete()  # what comes next may find the server again
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
    path = file()
    own = connection.settings_dict
    if str(own["NAME"]).endswith(ONLY_THERE):
        own = own | {"NAME": str(path)}
    if path is not None:
        connection.settings_dict = own | {"NAME": f"file:{urllib.parse.quote(str(path))}{ONLY_THERE}"}
    try:
        connection.ensure_connection()
    finally:
        if missing_file() is None:
            connection.settings_dict = own


def missing_file() -> Path | None:
    """The file of the SQLite database that should be there and is not."""
    path = file()
    return None if path is None or path.exists() else path


def file() -> Path | None:
    """The file of the SQLite database, where it is one, whether it is there or not."""
    name = str(connection.settings_dict["NAME"])
    if name.endswith(ONLY_THERE):
        name = urllib.parse.unquote(name.removeprefix("file:").removesuffix(ONLY_THERE))
    return None if connection.vendor != "sqlite" or ":" in name else Path(name)


def is_to_blame(error: BaseException) -> bool:
    """Whether what a procedure raised is the trouble of the database and not of a query."""
    if isinstance(error, IntegrityError | DataError) or not isinstance(error, DatabaseError | InterfaceError):
        return False
    named = isinstance(error, OperationalError | InterfaceError) and TROUBLE.search(str(error))
    return bool(named) or not _answers()


def _answers() -> bool:
    try:
        connection.close()
        _connect()
        apps.get_model("linod_systemd", "JobRule").objects.exists()
    except (DatabaseError, InterfaceError):
        return False
    return True


def _explained(site: Site, error: Exception) -> DatabaseAway:
    said = " ".join(str(error).split())
    if NOT_MIGRATED.search(said):
        return NotMigrated(
            f"the database of site {site.name!r} is not migrated ({said})",
            f"linod --site {site.name} manage migrate",
        )
    return DatabaseAway(*_in_words(site, said))


def _in_words(site: Site, said: str) -> tuple[str, str]:
    """The message for people, and the remedy."""
    if "locked" in said:
        return (
            f"the database of site {site.name!r} is locked by another process ({said})",
            "end what holds it, or raise OPTIONS['timeout'] in DATABASES, and try again",
        )
    if "readonly" in said or "unable to open" in said:
        return (
            f"the database of site {site.name!r} cannot be opened for writing ({said})",
            f"check that its file and its folder belong to {site.user}",
        )
    if "full" in said:
        return f"the database of site {site.name!r} is full ({said})", "make room on its disk"
    return f"the database of site {site.name!r} is away ({said})", "check DATABASES and that its server runs"
