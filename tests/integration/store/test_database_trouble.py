"""Whose fault an error of the database is: by SQLSTATE, by SQLite's code, by the state of the connection."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
)

from linod_systemd.sites import config
from linod_systemd.store import database, database_trouble
from linod_systemd.store.database import DatabaseAway
from linod_systemd.store.database_trouble import Trouble

pytestmark = pytest.mark.django_db(transaction=True)


def wrapped(kind: type[Exception], cause: Exception) -> Exception:
    """An error as Django raises it, from the driver's own."""
    error = kind(*cause.args)
    error.__cause__ = cause
    return error


def postgresql(sqlstate: str, kind: type[Exception] = OperationalError) -> Exception:
    return wrapped(kind, psycopg.errors.lookup(sqlstate)("words of no language that we know"))


@pytest.mark.parametrize(
    ("sqlstate", "kind", "trouble"),
    [
        ("57P01", OperationalError, Trouble.AWAY),
        ("57P03", OperationalError, Trouble.AWAY),
        ("08006", OperationalError, Trouble.AWAY),
        ("53300", OperationalError, Trouble.AWAY),
        ("53100", OperationalError, Trouble.FULL),
        ("25006", InternalError, Trouble.READ_ONLY),
        ("42P01", ProgrammingError, Trouble.NOT_MIGRATED),
        ("42601", ProgrammingError, None),
        ("40001", OperationalError, None),
        ("57014", OperationalError, None),
        ("25P03", InternalError, None),
        ("23502", IntegrityError, Trouble.REFUSED),
        ("22001", DataError, Trouble.REFUSED),
    ],
)
def test_the_sqlstate_tells(sqlstate: str, kind: type[Exception], trouble: Trouble | None) -> None:
    assert database_trouble.of(postgresql(sqlstate, kind)) is trouble
    assert database.is_to_blame(postgresql(sqlstate, kind)) is (trouble in database_trouble.NOBODYS_FAULT)


def test_a_cut_connection_is_known_by_its_state() -> None:
    """The driver's words differ with OpenSSL's version; the connection is closed by then."""
    said = psycopg.OperationalError("consuming input failed: SSL error: unexpected eof while reading")
    connection.ensure_connection()
    assert not database.is_to_blame(wrapped(OperationalError, said))
    connection.close()
    assert database.is_to_blame(wrapped(OperationalError, said))
    assert database.is_to_blame(wrapped(InterfaceError, psycopg.InterfaceError("the connection is closed")))
    connection.ensure_connection()


def test_an_error_without_a_driver_or_a_connection_of_ours_is_judged_by_its_class() -> None:
    assert database.is_to_blame(OperationalError("consuming input failed: SSL SYSCALL error: EOF detected"))
    assert database.is_to_blame(psycopg.OperationalError("server conn crashed?"))
    assert not database.is_to_blame(psycopg.InterfaceError("the cursor is closed"))
    assert not database.is_to_blame(ProgrammingError("the connection of a shelf"))


def test_what_was_raised_from_it_counts() -> None:
    try:
        try:
            raise postgresql("57P01")
        except OperationalError as error:
            raise RuntimeError("no shelf") from error
    except RuntimeError as error:
        assert database.is_to_blame(error)
    try:
        try:
            raise postgresql("57P01")
        except OperationalError:
            raise RuntimeError("no shelf") from None
    except RuntimeError as error:
        assert not database.is_to_blame(error)


def test_sqlite_says_it_by_code(tmp_path: object) -> None:
    path = f"{tmp_path}/a.sqlite"
    one, other = (sqlite3.connect(path, timeout=0, isolation_level=None) for _ in range(2))
    one.execute("create table shelf (number integer)")
    reader = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    one.execute("begin immediate")
    found = {}
    for name, used, query in [
        ("locked", other, "begin immediate"),
        ("read", reader, "insert into shelf values (1)"),
        ("table", other, "select * from attic"),
        ("syntax", other, "selekt"),
    ]:
        with pytest.raises(sqlite3.Error) as caught:
            used.execute(query)
        found[name] = database_trouble.of(wrapped(OperationalError, caught.value))
    for used in (one, other, reader):
        used.close()
    assert found == {
        "locked": Trouble.LOCKED,
        "read": Trouble.READ_ONLY,
        "table": Trouble.NOT_MIGRATED,
        "syntax": None,
    }


def test_a_database_that_only_reads_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what a procedure makes of its refusal, in words of its own, cancels no rule."""
    at_fault = wrapped(ProgrammingError, psycopg.errors.lookup("42601")("syntax"))
    assert not database.is_to_blame(at_fault)
    options = connection.settings_dict["OPTIONS"] | {"init_command": "PRAGMA query_only = on"}
    with monkeypatch.context() as patched:
        patched.setitem(connection.settings_dict, "OPTIONS", options)
        assert database.is_to_blame(at_fault)
    connection.close()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (postgresql("42P01", ProgrammingError), "is not migrated"),
        (postgresql("25006", InternalError), "cannot be written, only read"),
        (postgresql("53100"), "is full"),
        (
            wrapped(
                OperationalError,
                psycopg.errors.ProtocolViolation("transaction blocks not allowed in statement pooling mode"),
            ),
            "is in statement mode",
        ),
        (postgresql("23502", IntegrityError), "refuses a row"),
        (OperationalError("connection failed: No such file\n\tIs the server running?"), "is away"),
    ],
)
def test_each_is_explained_in_one_line(error: Exception, told: str) -> None:
    with pytest.raises(DatabaseAway) as caught, database.explained(config.this_site()):
        raise error
    assert told in str(caught.value) and "\n" not in str(caught.value)
