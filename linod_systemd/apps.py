"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save
from django.utils.module_loading import autodiscover_modules


class LinodConfig(AppConfig):
    """The app ``linod_systemd``: sets the store, and registers procedures and checks."""

    name = "linod_systemd"
    verbose_name = "Background tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from linod_systemd import checks  # noqa: F401
        from linod_systemd.django_store import DjangoStore
        from linod_systemd.jobs import retention  # noqa: F401
        from linod_systemd.store import export, rule_store

        if not rule_store.is_set():
            rule_store.use(DjangoStore())
        # First this app's own procedure, then every app's procedures.py: the order is that of the rules.
        autodiscover_modules("procedures")
        rule = self.get_model("JobRule")
        post_save.connect(export.rule_changed, sender=rule, dispatch_uid="linod-export-save")
        post_delete.connect(export.rule_changed, sender=rule, dispatch_uid="linod-export-delete")
