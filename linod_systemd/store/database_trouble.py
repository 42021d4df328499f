"""Tell the trouble of a database from the fault of a query: by SQLSTATE and the state of the connection.

The words of a message are not looked at, where the driver gives a code: they change with versions and
languages (PostgreSQL, "Error Codes"; sqlite.org/rescode.html; MariaDB, "Error Code Reference").
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, OperationalError, connections

# SQLite gives the same code for a table that is not there as for a mistake in the query.
NO_SUCH_TABLE = re.compile(r"no such (table|column)")


class Trouble(Enum):
    """The kinds of trouble. ``NOT_MIGRATED`` and ``REFUSED`` may be the mistake of a query."""

    AWAY = auto()
    LOCKED = auto()
    READ_ONLY = auto()
    FULL = auto()
    NOT_MIGRATED = auto()
    REFUSED = auto()


NOBODYS_FAULT = {Trouble.AWAY, Trouble.LOCKED, Trouble.READ_ONLY, Trouble.FULL}

# By the longest beginning of PostgreSQL's SQLSTATE. 53: insufficient resources, 57P: operator intervention.
BY_SQLSTATE = {
    "08": Trouble.AWAY,
    "57P": Trouble.AWAY,
    "53": Trouble.AWAY,
    "53100": Trouble.FULL,
    "25006": Trouble.READ_ONLY,
    "42P01": Trouble.NOT_MIGRATED,
    "42703": Trouble.NOT_MIGRATED,
}
BY_SQLITE_CODE = {
    sqlite3.SQLITE_BUSY: Trouble.LOCKED,
    sqlite3.SQLITE_LOCKED: Trouble.LOCKED,
    sqlite3.SQLITE_READONLY: Trouble.READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: Trouble.READ_ONLY,
    sqlite3.SQLITE_FULL: Trouble.FULL,
    sqlite3.SQLITE_IOERR: Trouble.AWAY,
    sqlite3.SQLITE_CORRUPT: Trouble.AWAY,
    sqlite3.SQLITE_NOTADB: Trouble.AWAY,
    sqlite3.SQLITE_PROTOCOL: Trouble.AWAY,
    sqlite3.SQLITE_NOMEM: Trouble.AWAY,
}
BY_MARIADB_CODE = {
    1021: Trouble.FULL,
    1114: Trouble.FULL,
    1290: Trouble.READ_ONLY,
    1792: Trouble.READ_ONLY,
    1836: Trouble.READ_ONLY,
    1040: Trouble.AWAY,  # too many connections
    1053: Trouble.AWAY,  # shutting down
    1054: Trouble.NOT_MIGRATED,
    1146: Trouble.NOT_MIGRATED,
}
MARIADB_DRIVERS = ("MySQLdb", "pymysql")
DRIVERS = ("psycopg", *MARIADB_DRIVERS)
MARIADB_CLIENT = range(2000, 3000)  # what the client says of its connection


def among(error: BaseException) -> set[Trouble | None]:
    """Return the troubles that an error and its causes tell of; empty: of no database."""
    found, judged = set(), None
    for one in chain(error):
        if one is not judged and _is_of_a_database(one):
            found.add(of(one))
            judged = one.__cause__  # the driver's error, which was looked at for Django's
    return found


def of(error: BaseException) -> Trouble | None:
    """Return the trouble that one error of Django's or a driver's tells of; None: the query is at fault."""
    if isinstance(error, IntegrityError | DataError):
        return Trouble.REFUSED
    cause = error.__cause__ if isinstance(error, DatabaseError | InterfaceError) else None
    told = cause or error
    if isinstance(told, sqlite3.Error):
        if NO_SUCH_TABLE.search(str(told)):
            return Trouble.NOT_MIGRATED
        # An extended code has further bits above. Python's own errors, as of a closed cursor, have none.
        return BY_SQLITE_CODE.get(getattr(told, "sqlite_errorcode", 0) & 0xFF)
    if _is_mariadb(told):  # whose SQLSTATE, where a driver gives it, says less: HY000
        return Trouble.AWAY if told.args[0] in MARIADB_CLIENT else BY_MARIADB_CODE.get(told.args[0])
    if sqlstate := getattr(told, "sqlstate", None) or getattr(told, "pgcode", None):
        return _by_sqlstate(sqlstate)
    if cause is not None:
        # The server has said nothing: the driver has. It may be of its connection, or of a closed cursor.
        lost = isinstance(error, OperationalError | InterfaceError) and any(
            map(_is_dead, connections.all(initialized_only=True))
        )
        return Trouble.AWAY if lost else None
    # No connection of Django's can be asked, but the class says so (PEP 249).
    return Trouble.AWAY if _is_operational(error) else None


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and what it was raised from or while (not what ``from None`` hides)."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        hidden = following.__suppress_context__
        following = following.__cause__ or (None if hidden else following.__context__)


def _is_of_a_database(error: BaseException) -> bool:
    if isinstance(error, DatabaseError | InterfaceError | sqlite3.Error):
        return True
    return any(kind.__module__.startswith(DRIVERS) for kind in type(error).__mro__)


def _by_sqlstate(sqlstate: str) -> Trouble | None:
    beginnings = (sqlstate[:length] for length in range(len(sqlstate), 1, -1))
    return next((BY_SQLSTATE[one] for one in beginnings if one in BY_SQLSTATE), None)


def _is_mariadb(error: BaseException) -> bool:
    is_its = any(kind.__module__.startswith(MARIADB_DRIVERS) for kind in type(error).__mro__)
    return is_its and bool(error.args) and isinstance(error.args[0], int)


def _is_operational(error: BaseException) -> bool:
    return any(
        kind.__name__ == "OperationalError" and kind.__module__.startswith(("psycopg", "django.db"))
        for kind in type(error).__mro__
    )


def _is_dead(connection: Any) -> bool:
    raw = connection.connection
    return raw is None or bool(getattr(raw, "closed", False)) or not getattr(raw, "open", True)
