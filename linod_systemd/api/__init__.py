"""Lino's spelling of the names: ``from linod_systemd.api import dd``."""
