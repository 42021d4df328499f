"""A small Lino site, as its maintainer has it."""

from collections.abc import Iterator
from typing import Any

from lino.projects.std.settings import *  # noqa: F403
from lino.projects.std.settings import Site as StandardSite


class Site(StandardSite):
    title = "Small"
    user_types_module = "lino.core.user_types"
    default_ui = "lino_react.react"
    demo_fixtures = "std demo demo2"
    languages = "en"

    def get_installed_plugins(self) -> Iterator[Any]:
        yield super().get_installed_plugins()
        yield "lino.modlib.users"
        yield "lino.modlib.notify"
        yield "lino.modlib.checkdata"
        yield "small.probe"
        yield "linod_systemd"


SITE = Site(globals())
SECRET_KEY = "of a test"  # noqa: S105
EMAIL_HOST, EMAIL_PORT = "localhost", 2525
ALLOWED_HOSTS = ["localhost"]
globals()["DATABASES"]["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}
TIME_ZONE = "Europe/Brussels"  # and no USE_TZ: its times are those of that wall clock
