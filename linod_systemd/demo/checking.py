"""checkdata: problems are stored, and gone when they are solved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, transaction
from django.db.models import Model

from linod_systemd.demo.checkers import Checker, checked_models, checkers_of
from linod_systemd.demo.models import Problem

CHUNK = 500
Found = tuple[str, str, str]  # checker, row, message


@dataclass
class CheckReport:
    """The result of a check of all rows."""

    rows: int = 0
    found: int = 0
    solved: int = 0

    def __str__(self) -> str:
        return f"checked {self.rows} rows: {self.found} new problems, {self.solved} solved"


def check_all() -> CheckReport:
    """Check every row of every model."""
    report = CheckReport()
    models = [model for model in checked_models() if model is not Problem]
    for model in models:
        _check_model(model, report)
    here = [content_type.pk for content_type in ContentType.objects.get_for_models(*models).values()]
    report.solved += Problem.objects.exclude(content_type__in=here).delete()[0]  # of models that are gone
    return report


def _check_model(model: type[Model], report: CheckReport) -> None:
    found: set[Found] = set()
    for pks in _chunks(model):
        for pk, row in _read(model, pks):
            report.rows += 1
            if isinstance(row, Exception):
                found.add(("full_clean", str(pk), f"the row cannot be read: {_describe(row)}"))
                continue
            for name, function in checkers_of(model):
                found |= {(name, str(pk), message) for message in _messages(function, row)}
    _store(ContentType.objects.get_for_model(model), found, report)


def _chunks(model: type[Model]) -> Iterator[list[Any]]:
    """The primary keys of all rows, by a query for each chunk.

    One cursor over all would let SQLite's WAL grow for as long as the check lasts.
    """
    rows = model._base_manager.order_by("pk")
    pks = list(rows.values_list("pk", flat=True)[:CHUNK])
    while pks:
        yield pks
        pks = list(rows.filter(pk__gt=pks[-1]).values_list("pk", flat=True)[:CHUNK])


def _read(model: type[Model], pks: list[Any]) -> Iterator[tuple[Any, Model | Exception]]:
    """The rows; for one whose values cannot be read, the error."""
    try:
        yield from [(row.pk, row) for row in model._base_manager.filter(pk__in=pks)]
    except DatabaseError:
        raise
    except Exception as error:
        if len(pks) == 1:
            yield pks[0], error
            return
        for pk in pks:
            yield from _read(model, [pk])


def _messages(function: Checker, row: Model) -> Iterator[str]:
    try:
        yield from function(row)
    except DatabaseError:
        raise
    except Exception as error:  # the other rows and checkers are not to suffer from this one
        yield f"the checker failed: {_describe(error)}"


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _store(content_type: ContentType, found: set[Found], report: CheckReport) -> None:
    with transaction.atomic():
        known = {
            (problem.checker, problem.object_id, problem.message): problem.pk
            for problem in Problem.objects.filter(content_type=content_type)
        }
        solved = [pk for key, pk in known.items() if key not in found]
        Problem.objects.filter(pk__in=solved).delete()
        new = [
            Problem(content_type=content_type, checker=checker, object_id=row, message=message)
            for checker, row, message in sorted(found - known.keys())
        ]
        Problem.objects.bulk_create(new, ignore_conflicts=True)
    report.found += len(new)
    report.solved += len(solved)
