"""A site without the demo's models and rules, in a folder of its own."""

from linod_systemd.demo.settings import *  # noqa: F403
from linod_systemd.demo.settings import DATABASES as DEMO_DATABASES
from linod_systemd.sites import config

INSTALLED_APPS = ["linod_systemd", "chores.apps.ChoresConfig"]
ROOT_URLCONF = ""
MIDDLEWARE = []
_state = config.site_of_settings("chores.settings").state_directory
DATABASES = {"default": DEMO_DATABASES["default"] | {"NAME": str(_state / "db.sqlite3")}}
