"""Ask for the keys of several querysets that are cut, by one query: for SQLite, union() refuses these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connections
from django.db.models import QuerySet


def keys_of(parts: Sequence[QuerySet[Any]]) -> list[int]:
    """Return the keys of the rows of all of these, which are of one database; each may be ordered and cut.

    The attempt is read so that no index has all that is asked for: SQLite would take one that lacks the
    order, and sort a million rows.
    """
    using = parts[0].db
    asked = [part.values("pk", "attempt").query.get_compiler(using=using).as_sql() for part in parts]
    each = (f"SELECT * FROM ({sql}) AS part{place}" for place, (sql, _) in enumerate(asked))  # noqa: S608
    with connections[using].cursor() as cursor:
        cursor.execute(" UNION ALL ".join(each), [value for _, values in asked for value in values])
        return [key for key, _ in cursor.fetchall()]
