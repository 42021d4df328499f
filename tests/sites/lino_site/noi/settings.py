"""A site of Lino Noi with its demo data, and a few tasks of a test besides."""

from collections.abc import Iterator
from typing import Any

from lino_noi.lib.noi.settings import *  # noqa: F403
from lino_noi.lib.noi.settings import Site as NoiSite


class Site(NoiSite):
    title = "Noi"
    default_ui = "lino_react.react"
    languages = "en"

    def get_plugin_configs(self) -> Iterator[Any]:
        yield super().get_plugin_configs()
        yield ("linod", "use_channels", False)  # Lino's own loop wants redis otherwise

    def get_installed_plugins(self) -> Iterator[Any]:
        yield super().get_installed_plugins()
        yield "small.probe"
        yield "linod_systemd"


SITE = Site(globals())
SECRET_KEY = "of a test"  # noqa: S105
EMAIL_HOST, EMAIL_PORT = "localhost", 2525
ALLOWED_HOSTS = ["localhost"]
globals()["DATABASES"]["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}
