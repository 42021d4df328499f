"""Load Django with the settings of a site, in a process that is the site's user already.

Root imports nothing of a site: site_processes/site_process.py has that done as the site's user, in a
process of its own.
"""

from __future__ import annotations

import contextlib
import os
import sys

from linod_systemd.errors import ConfigurationError, LinodError
from linod_systemd.sites import config, environment_file, load_effects


def add_own_environment(site: config.Site) -> None:
    """Set the variables of its environment_file, where systemd is not to read that; its programs come first.

    :raises ConfigurationError: where it cannot be read.
    """
    if site.environment_file and not site.environment_by_root:
        os.environ.update(environment_file.read(site.environment_file).values)
    programs, path = os.path.dirname(site.python), os.environ.get("PATH", "")
    if path.split(":")[0] != programs:  # it was not started by one of our units
        os.environ["PATH"] = f"{programs}:{path}"


def load(site: config.Site) -> None:
    """Set Django up for the site, in its directory.

    :raises ConfigurationError: where a folder, a file, its settings or an app cannot be used.
    """
    config.ensure_directories(site)
    add_own_environment(site)
    try:
        if "LINOD_BOOT_ID" not in os.environ:  # a unit has WorkingDirectory=
            os.chdir(site.directory)
    except OSError as error:
        raise ConfigurationError(
            f"the directory {site.directory} of the site {site.name!r} cannot be entered ({error.strerror})",
            f"make it, or correct {config.site_file(site.name)}",
        ) from error
    if site.directory not in sys.path:
        sys.path.insert(0, site.directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = site.settings
    os.environ["LINOD_SITE"] = site.name
    import django

    try:
        # What a site prints, and Lino logs, is no answer of ours.
        with load_effects.noted(), contextlib.redirect_stdout(sys.stderr):
            django.setup()
    except LinodError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"the site {site.name!r} does not load ({type(error).__name__}: {error})",
            config.as_user(
                site,
                f"DJANGO_SETTINGS_MODULE={site.settings}",
                sys.executable,
                *("-m", "django", "check"),
                folder=site.directory,
            ),
        ) from error
