"""The demo site, a procedure that does nothing, and much to load."""

from linod_systemd.demo.settings import *  # noqa: F403
from linod_systemd.demo.settings import INSTALLED_APPS as DEMO_APPS

INSTALLED_APPS = [*DEMO_APPS, "heavy"]
