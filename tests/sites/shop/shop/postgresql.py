"""The same with PostgreSQL, over its socket, by the name of the site's user."""

from .settings import *  # noqa: F403

DATABASES = {
    "default": {"ENGINE": "django.db.backends.postgresql", "HOST": "/run/postgresql", "NAME": "shop"},
}
