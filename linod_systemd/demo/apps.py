"""The Django app of the demo site."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "linod_systemd.demo"
    label = "linod_demo"
    verbose_name = "Demo site"
    default_auto_field = "django.db.models.BigAutoField"
