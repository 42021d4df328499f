"""The same site with its rows in PostgreSQL."""

from .settings import *  # noqa: F403

DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", "HOST": "/run/postgresql", "NAME": "lino"}
}
