"""Rotate the lino.log of a site by logrotate(8): ``python -m linod_systemd.units.logrotate SITE``, as its
user.

Not by the host's logrotate, which root runs: a site decides which files lie beside its log, and a FIFO or a
file of 50 TB there would keep the logs of the whole host from being rotated.
"""

from __future__ import annotations

import os
import sys

from linod_systemd.common import files
from linod_systemd.sites import config
from linod_systemd.units import render

PROGRAM = "/usr/sbin/logrotate"


def configuration(site: config.Site) -> str:
    """The text of logrotate's configuration for a site (logrotate(8), CONFIGURATION FILE)."""
    return render.render("logrotate.conf.j2", site=site)


def main() -> None:
    """Become logrotate.

    :raises OSError: where the state folder cannot be written, or there is no logrotate.
    """
    site = config.find_site(sys.argv[1])
    path = site.state_directory / "logrotate.conf"
    files.write_atomically(path, configuration(site), mode=0o640)
    status = site.state_directory / "logrotate.status"
    os.execv(PROGRAM, [PROGRAM, f"--state={status}", str(path)])  # noqa: S606


if __name__ == "__main__":
    main()
