"""WriterQuerySet: reads rows where they are written, and never from a replica, which may be behind."""

from __future__ import annotations

from typing import TypeVar

from django.db import models, router

Row = TypeVar("Row", bound=models.Model)


class WriterQuerySet(models.QuerySet[Row]):
    """The rows of a model of this app: by these it is decided what runs."""

    @property
    def db(self) -> str:
        """The database that Django's routers have the rows written to, if ``using()`` names no other."""
        return self._db or router.db_for_write(self.model)  # type: ignore[attr-defined]
