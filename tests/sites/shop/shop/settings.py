"""The demo site, and an app whose procedures misbehave."""

from linod_systemd.demo.settings import *  # noqa: F403
from linod_systemd.demo.settings import INSTALLED_APPS as DEMO_APPS

INSTALLED_APPS = [*DEMO_APPS, "shop"]
