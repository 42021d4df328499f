"""The SQL that Django's querysets cannot say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections, models
from django.db.models import QuerySet

# A loose scan of the index of a column: one step for each value.
DISTINCT = """
WITH RECURSIVE found(value) AS (
    SELECT MIN({column}) FROM {table}
    UNION ALL
    SELECT (SELECT MIN({column}) FROM {table} WHERE {column} > found.value)
    FROM found WHERE found.value IS NOT NULL
) SELECT value FROM found WHERE value IS NOT NULL ORDER BY value
"""


def keys_of(parts: Sequence[QuerySet[Any]]) -> list[int]:
    """Return the keys of the rows of all of these, which are of one database; each may be ordered and cut.

    One query. Django's union() refuses querysets that are cut, where the database is SQLite.
    The attempt is read so that no index has all that is asked for: SQLite would take one that lacks the
    order, and sort a million rows.
    """
    using = parts[0].db
    asked = [part.values("pk", "attempt").query.get_compiler(using=using).as_sql() for part in parts]
    each = (f"SELECT * FROM ({sql}) AS part{place}" for place, (sql, _) in enumerate(asked))  # noqa: S608
    with connections[using].cursor() as cursor:
        cursor.execute(" UNION ALL ".join(each), [value for _, values in asked for value in values])
        return [key for key, _ in cursor.fetchall()]


def distinct(model: type[models.Model], column: str, using: str) -> list[Any]:
    """Return the values of an indexed column that is never NULL, each once, in their order: one query."""
    quoted = connections[using].ops.quote_name
    with connections[using].cursor() as cursor:
        cursor.execute(DISTINCT.format(table=quoted(model._meta.db_table), column=quoted(column)))
        return [value for (value,) in cursor.fetchall()]
