"""The site's own user, environment and settings.

Root imports nothing of a site: site_process.py has it done as the site's user, in a process of its own.
Nothing here imports Django before :func:`load`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shlex
import sys

from linod_systemd import conf
from linod_systemd.errors import ConfigurationError, LinodError, RefusedSite

PR_SET_NO_NEW_PRIVS = 38
KEPT_VARIABLES = ("LINOD_ROOT", "LANG", "LC_ALL", "TERM", "COLUMNS", "TZ", "NO_COLOR")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def is_entered(site: conf.Site) -> bool:
    """Whether this process is the site's user already, under the site's python.

    :raises ConfigurationError: for a user that does not exist or that this one cannot become.
    """
    if not site.configured:
        return True
    account = account_of(site)
    if os.geteuid() not in (0, account.pw_uid):
        raise ConfigurationError(
            f"the site {site.name!r} belongs to the user {site.user}, this is {conf.user_name()}",
            f"run it as root, or by: sudo -u {shlex.quote(site.user)}",
        )
    same_python = os.path.abspath(sys.executable) == site.python
    return os.geteuid() == account.pw_uid and (same_python or os.environ.get("LINOD_SITE") == site.name)


def account_of(site: conf.Site) -> pwd.struct_passwd:
    """:raises RefusedSite: where the site's user does not exist."""
    try:
        return pwd.getpwnam(site.user)
    except KeyError:
        raise RefusedSite(
            f"the user {site.user!r} of the site {site.name!r} does not exist",
            f"make it (useradd --system {site.user}), or correct {conf.site_file(site.name)}",
        ) from None


def plain_environment(site: conf.Site, account: pwd.struct_passwd) -> dict[str, str]:
    """The environment for processes of the site: little of the caller's, nothing of its environment_file."""
    environment = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
    return environment | {
        "PATH": PATH,
        "HOME": account.pw_dir,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "SHELL": "/bin/sh",
        "LINOD_SITE": site.name,
        "DJANGO_SETTINGS_MODULE": site.settings,
    }


def read_environment_file(path: str) -> dict[str, str]:
    """The assignments of a file as EnvironmentFile= takes it (systemd.exec(5)).

    :raises ConfigurationError: where it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the environment_file {path} cannot be read ({error})", "correct it"
        ) from error
    values = {}
    for line in text.replace("\\\n", "").splitlines():
        key, sign, value = line.strip().partition("=")
        if sign and not key.startswith(("#", ";")):
            try:
                values[key.strip()] = " ".join(shlex.split(value))
            except ValueError as error:
                raise ConfigurationError(
                    f"{path}: {key} cannot be read ({error})", "correct its quotes"
                ) from error
    return values


def add_own_environment(site: conf.Site) -> None:
    """What its environment_file says, where that is not for systemd to read.

    :raises ConfigurationError: where it cannot be read.
    """
    if site.environment_file and not site.environment_by_root:
        os.environ.update(read_environment_file(site.environment_file))


def make_directories(site: conf.Site, account: pwd.struct_passwd) -> None:
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


def load(site: conf.Site) -> None:
    """Set Django up for the site, in its directory.

    :raises ConfigurationError: where a folder, a file, its settings or an app cannot be used.
    """
    conf.ensure_directories(site)
    add_own_environment(site)
    try:
        if "LINOD_BOOT_ID" not in os.environ:  # a unit has WorkingDirectory=
            os.chdir(site.directory)
    except OSError as error:
        raise ConfigurationError(
            f"the directory {site.directory} of the site {site.name!r} cannot be entered ({error.strerror})",
            f"make it, or correct {conf.site_file(site.name)}",
        ) from error
    if site.directory not in sys.path:
        sys.path.insert(0, site.directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = site.settings
    os.environ["LINOD_SITE"] = site.name
    import django

    try:
        with contextlib.redirect_stdout(
            sys.stderr
        ):  # what a site prints, and Lino logs, is no answer of ours
            django.setup()
    except LinodError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"the site {site.name!r} does not load ({type(error).__name__}: {error})",
            conf.as_user(
                site,
                f"DJANGO_SETTINGS_MODULE={site.settings}",
                sys.executable,
                *("-m", "django", "check"),
                folder=site.directory,
            ),
        ) from error
