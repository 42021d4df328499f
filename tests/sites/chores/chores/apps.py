"""The app: with it, this site has its own store."""

from __future__ import annotations

from django.apps import AppConfig


class ChoresConfig(AppConfig):
    name = "chores"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from linod_systemd.store import rule_store

        from .store import ChoreStore

        rule_store.use(ChoreStore())
