"""Become the site's user, with the environment of its processes. Imports neither Django nor a site's code."""

from __future__ import annotations

import ctypes
import os
import pwd
import shlex
import sys

from linod_systemd.errors import ConfigurationError, RefusedSite
from linod_systemd.sites import config

PR_SET_NO_NEW_PRIVS = 38
KEPT_VARIABLES = ("LINOD_ROOT", "LANG", "LC_ALL", "TERM", "COLUMNS", "TZ", "NO_COLOR")


def is_entered(site: config.Site) -> bool:
    """Whether this process is the site's user already, under the site's python.

    :raises ConfigurationError: for a user that does not exist or that this one cannot become.
    """
    if not site.configured:
        return True
    account = account_of(site)
    if os.geteuid() not in (0, account.pw_uid):
        raise ConfigurationError(
            f"the site {site.name!r} belongs to the user {site.user}, this is {config.user_name()}",
            f"run it as root, or by: sudo -u {shlex.quote(site.user)}",
        )
    same_python = os.path.abspath(sys.executable) == site.python
    return os.geteuid() == account.pw_uid and (same_python or os.environ.get("LINOD_SITE") == site.name)


def account_of(site: config.Site) -> pwd.struct_passwd:
    """:raises RefusedSite: where the site's user does not exist."""
    try:
        return pwd.getpwnam(site.user)
    except KeyError:
        raise RefusedSite(
            f"the user {site.user!r} of the site {site.name!r} does not exist",
            f"make it (useradd --system {site.user}), or correct {config.site_file(site.name)}",
        ) from None


def plain_environment(site: config.Site, account: pwd.struct_passwd) -> dict[str, str]:
    """The environment for processes of the site: little of the caller's, nothing of its environment_file."""
    environment = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
    return environment | {
        "PATH": site.path,
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "SHELL": "/bin/sh",
        "LINOD_SITE": site.name,
        "DJANGO_SETTINGS_MODULE": site.settings,
    }


def make_directories(site: config.Site, account: pwd.struct_passwd) -> None:
    """Make the site's own folders as StateDirectory= and LogsDirectory= do, for what runs before any unit.

    Their parents belong to root, so that no one can have put a link in their place.

    :raises OSError: where that is not possible.
    """
    for folder in [
        site.state_directory,
        site.request_directory,
        *([site.log_directory] if site.log_is_ours else []),
    ]:
        folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        try:
            folder.mkdir(mode=0o750)
        except FileExistsError:
            continue
        os.chown(folder, account.pw_uid, account.pw_gid, follow_symlinks=False)


def drop_privileges(account: pwd.struct_passwd) -> None:
    """Become this user for good: all groups, all ids, and no way back by set-uid programs.

    :raises OSError: where the kernel refuses.
    """
    os.initgroups(account.pw_name, account.pw_gid)
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
