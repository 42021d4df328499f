"""Settings of the demo site: SQLite in the site's state folder, mail by the environment."""

from __future__ import annotations

import os

import django
from django.utils.functional import SimpleLazyObject

from linod_systemd.demo.machine import secret_key, zone_name
from linod_systemd.sites import config

_site = config.site_of_settings("linod_systemd.demo.settings")

# On first use: whoever only reads the settings leaves no file.
SECRET_KEY = SimpleLazyObject(lambda: secret_key(_site.state_directory))
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ROOT_URLCONF = "linod_systemd.demo.urls"
AUTH_USER_MODEL = "linod_demo.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "linod_systemd",
    "linod_systemd.demo",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
STATIC_URL = "static/"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(_site.state_directory / "db.sqlite3"),
        "OPTIONS": {
            # Several jobs write at once: a transaction takes its lock at its start and waits for it.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
        },
        # A file, so that tests see real locks between real connections.
        "TEST": {"NAME": str(_site.state_directory / "test.sqlite3")},
    }
}

USE_TZ = True
TIME_ZONE = zone_name()
LANGUAGE_CODE = "en"

_mailer = {
    "host": os.environ.get("EMAIL_HOST", "localhost"),
    "port": int(os.environ.get("EMAIL_PORT", "25")),
    "username": os.environ.get("EMAIL_HOST_USER", ""),
    "password": os.environ.get("EMAIL_HOST_PASSWORD", ""),
    "use_tls": os.environ.get("EMAIL_USE_TLS", "") == "1",
    "timeout": 20,
}
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": _mailer}}
else:
    EMAIL_HOST, EMAIL_PORT = _mailer["host"], _mailer["port"]
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mailer["username"], _mailer["password"]
    EMAIL_USE_TLS, EMAIL_TIMEOUT = _mailer["use_tls"], _mailer["timeout"]
DEFAULT_FROM_EMAIL = os.environ.get("DEFAULT_FROM_EMAIL", "linod@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

LINOD_HISTORY_DAYS = 90
LINOD_SEEN_MESSAGE_DAYS = 30
LINOD_EVENT_NOTICE_MINUTES = 60
