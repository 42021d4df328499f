"""Find the site of this process or command, by SITE.toml and the environment.

Nothing here imports Django or code of a site.
"""

from __future__ import annotations

import os
import pwd
import re
import sys
import tomllib
from pathlib import Path

from linod_systemd.errors import ConfigurationError, RefusedSite
from linod_systemd.sites import trust
from linod_systemd.sites.site import (
    HOMES,
    Site,
    as_user,
    command,
    config_directory,
    ensure_directories,
    make_folder_remedy,
    root,
    site_file,
    user_name,
)

__all__ = [
    "HOMES",
    "Site",
    "as_user",
    "command",
    "config_directory",
    "ensure_directories",
    "make_folder_remedy",
    "root",
    "site_file",
    "user_name",
]

USER_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.-]{0,30}")
SITE_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
DEMO_SETTINGS = "linod_systemd.demo.settings"
REQUIRED_KEYS = ("user", "settings", "python", "directory")
FLAGS = ("preload", "supervisor", "as_root")
# The least and the most of a number.
NUMBERS = {
    "tasks_max": (16, 1_000_000),
    "cpu_weight": (1, 10_000),
    "rules_max": (1, 100_000),
    "unit_lines_max": (100, 10_000_000),
    "root_seconds_per_minute": (1, 60),
}
SIZES = ("memory_max", "runtime_max")
SIZE = re.compile(r"[1-9][0-9]{0,11}[KMGT]?|[1-9][0-9]?%")
LISTS = {"writable": "folders", "after": "units"}
UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,200}\.(service|socket|target|mount|path|device|timer)")
SANDBOXES = ("full", "none")
OPTIONAL_KEYS = ("environment_file", "sandbox", *LISTS, "log_directory", *FLAGS, *SIZES, *NUMBERS)
PATH_KEYS = ("python", "directory", "environment_file", "writable", "log_directory")


def check_site_name(name: str) -> str:
    """Return a name that may be a site's.

    :raises ConfigurationError: for any other.
    """
    if not SITE_NAME.match(name):
        raise ConfigurationError(
            f"{name!r} is no name of a site", "use lower-case letters, digits and _, a letter first"
        )
    return name


def read_site(path: Path) -> Site:
    """Read one SITE.toml.

    :raises ConfigurationError: where the file is missing, is no TOML, lacks a key or has one too many; for
        root also where others can write it.
    """
    name = check_site_name(path.stem)
    try:
        values = tomllib.loads(trust.read(path))
    except FileNotFoundError:
        raise ConfigurationError(
            f"site {name!r} is not configured",
            f"write {path} with the keys {', '.join(REQUIRED_KEYS)}",
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read ({error})", "correct the file") from error
    _check_keys(path, values)
    _check_user(path, values["user"], as_root=bool(values.get("as_root", False)))
    logs, writable, after = (values.pop(key, None) for key in ("log_directory", "writable", "after"))
    return Site(
        name=name,
        state_directory=root() / "var/lib/linod" / name,
        log_directory=Path(logs) if logs else root() / "var/log/linod" / name,
        environment_by_root=trust.only_root_names(values.get("environment_file", "/")),
        log_is_ours=logs is None,
        writable=(*(writable or ()), *([logs] if logs else [])),
        after=tuple(after or ()),
        **values,
    )


def _check_keys(path: Path, values: dict[str, object]) -> None:
    for key in REQUIRED_KEYS:
        if key not in values:
            raise RefusedSite(f"{path} lacks the key {key!r}", "add it (docs/django.md, SITE.toml)")
    for key, value in values.items():
        if key not in REQUIRED_KEYS + OPTIONAL_KEYS:
            raise RefusedSite(
                f"{path} has the unknown key {key!r}", f"known are {', '.join(REQUIRED_KEYS + OPTIONAL_KEYS)}"
            )
        if key in FLAGS:
            if not isinstance(value, bool):
                raise RefusedSite(f"{path}: {key} is {value!r}", "give true or false")
            continue
        if key in NUMBERS:
            _check_number(path, key, value)
            continue
        if key in SIZES and not (isinstance(value, str) and SIZE.fullmatch(value)):
            raise RefusedSite(
                f"{path}: {key} is {value!r:.80}", 'give a size such as "512M" or "2G", or "50%"'
            )
        if key in LISTS and not isinstance(value, list):
            raise RefusedSite(f"{path}: {key} is {value!r}", f"give a list of {LISTS[key]}")
        for text in value if isinstance(value, list) and key in LISTS else [value]:
            _check_text(path, key, text)


def _check_number(path: Path, key: str, value: object) -> None:
    least, most = NUMBERS[key]
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RefusedSite(f"{path}: {key} is {value!r:.80}", f"give a number from {least} to {most}")


def _check_user(path: Path, user: str, *, as_root: bool) -> None:
    """systemd drops a User= that it holds for invalid, with a warning, and runs the service as root."""
    if not USER_NAME.fullmatch(user):
        raise RefusedSite(f"{path}: user is {user!r:.80}", "name a user: a letter first, not a number")
    if _is_root(user) and not as_root:
        raise RefusedSite(
            f"{path}: a site does not run as root",
            "make a user for it: useradd --system …; or, if you mean it: as_root = true",
        )


def _is_root(user: str) -> bool:
    """Whether this is root, also by another name."""
    try:
        return pwd.getpwnam(user).pw_uid == 0
    except KeyError:
        return user == "root"


def _check_text(path: Path, key: str, text: object) -> None:
    if not isinstance(text, str) or not text or any(ord(sign) < 32 for sign in text):
        raise RefusedSite(f"{path}: {key} is {text!r}", "give a non-empty text of one line")
    if key == "sandbox" and text not in SANDBOXES:
        raise RefusedSite(
            f"{path}: {key} is {text!r:.80}", 'give "full", or "none" where nothing can be mounted'
        )
    if key == "after" and not UNIT.fullmatch(text):
        raise RefusedSite(f"{path}: {key} is {text!r:.80}", 'name units, such as "network-online.target"')
    if key in PATH_KEYS and not text.startswith("/"):
        raise RefusedSite(f"{path}: {key} is {text!r}", "give an absolute path")


def configured_sites() -> list[Site]:
    """All sites that have a SITE.toml, by name; one that is wrong is in no other's way."""
    return read_sites()[0]


def read_sites() -> tuple[list[Site], list[ConfigurationError]]:
    """Return the sites that can be read, and the error of each other SITE.toml."""
    sites, troubles = [], []
    for path in sorted(config_directory().glob("*.toml")):
        try:
            sites.append(read_site(path))
        except ConfigurationError as error:
            troubles.append(error)
    return sites, troubles


def demo_site(name: str = "default", settings: str = DEMO_SETTINGS) -> Site:
    """Return the site that stands in where none is configured: in root's folders, or the user's own.

    :param settings: those of the embedded demo site, or of a project that is worked on in this directory.
    """
    if os.geteuid() == 0:
        state, log = root() / "var/lib/linod" / name, root() / "var/log/linod" / name
    else:
        home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        state = log = Path(home) / "linod" / name
    return Site(
        name=name,
        user=user_name(),
        settings=settings,
        python=sys.executable,
        directory=str(state) if settings == DEMO_SETTINGS else os.getcwd(),
        state_directory=state,
        log_directory=log,
        configured=False,
    )


def find_site(name: str | None = None, *, changes: bool = False) -> Site:
    """The site of this name, or the default one.

    Without a name: ``$LINOD_SITE``, else the only configured site, else ``default``. A project without
    SITE.toml, of a user who works on it or runs it without root, is found by its DJANGO_SETTINGS_MODULE.

    :param changes: whether something is to be changed: of several sites one has to be named then.
    :raises ConfigurationError: for a name that is not configured, or none where one is needed.
    """
    wanted = name or os.environ.get("LINOD_SITE") or None
    settings = os.environ.get("DJANGO_SETTINGS_MODULE", DEMO_SETTINGS)
    if settings != DEMO_SETTINGS and (wanted is None or not site_file(check_site_name(wanted)).exists()):
        site = site_of_settings(settings)
        if name is None or (name == site.name and os.geteuid() != 0):
            return site
    if wanted is None:
        files = sorted(config_directory().glob("*.toml"))
        if changes and len(files) > 1:
            names = ", ".join(file.stem for file in files)
            raise ConfigurationError(f"there are several sites ({names})", "name one: --site SITE")
        wanted = files[0].stem if len(files) == 1 else "default"
    path = site_file(check_site_name(wanted))
    if path.exists() or wanted != "default":
        return read_site(path)  # or tells what is missing
    return demo_site() if name else demo_by_default()


def demo_by_default() -> Site:
    """The embedded demo site, where nobody named a site.

    :raises ConfigurationError: where another one is meant: this is the folder of a project.
    """
    if os.geteuid() != 0 and "LINOD_SITE" not in os.environ and os.path.exists("manage.py"):
        raise ConfigurationError(
            "this folder has a manage.py, and DJANGO_SETTINGS_MODULE is not set",
            "export DJANGO_SETTINGS_MODULE=… as manage.py has it; for the demo site, go to another folder",
        )
    return demo_site()


def site_of_settings(settings: str) -> Site:
    """The site that a Django process with this settings module belongs to.

    ``$LINOD_SITE`` wins; then the SITE.toml that names these settings; a project that has none
    (on a developer's machine) is a site named after the first part of its settings module.
    """
    named = os.environ.get("LINOD_SITE")
    path = site_file(check_site_name(named or "default"))
    if named and path.exists():
        return read_site(path)
    for site in configured_sites():
        if site.settings == settings:
            return site
    if settings == DEMO_SETTINGS:
        return demo_site()
    package = re.sub(r"[^a-z0-9_]", "_", settings.partition(".")[0].lower())
    return demo_site(named or f"{'' if SITE_NAME.match(package) else 's_'}{package}", settings)


def this_site() -> Site:
    """The site of this process, in which Django is set up."""
    return site_of_settings(os.environ.get("DJANGO_SETTINGS_MODULE", DEMO_SETTINGS))
