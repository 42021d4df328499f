"""The demo site's settings on the database of the tests, for processes that a test starts."""

from linod_systemd.demo.settings import *  # noqa: F403
from linod_systemd.demo.settings import DATABASES as _DATABASES

DATABASES = {"default": {**_DATABASES["default"], "NAME": _DATABASES["default"]["TEST"]["NAME"]}}  # type: ignore[index]
