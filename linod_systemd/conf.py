"""Where a site's things lie, and who runs it: SITE.toml, the environment, the folders.

Nothing here imports Django or code of a site.
"""

from __future__ import annotations

import os
import pwd
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from linod_systemd import trust
from linod_systemd.errors import ConfigurationError

SITE_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
DEMO_SETTINGS = "linod_systemd.demo.settings"
REQUIRED_KEYS = ("user", "settings", "python", "directory")
OPTIONAL_KEYS = ("environment_file", "writable", "preload", "supervisor", "log_directory")
PATH_KEYS = ("python", "directory", "environment_file", "writable", "log_directory")
HOMES = ("/home/", "/root/", "/run/user/")


@dataclass(frozen=True)
class Site:
    """One site: a Django project with a database, a user and a python of its own."""

    name: str
    user: str
    settings: str
    python: str
    directory: str
    state_directory: Path
    log_directory: Path
    environment_file: str | None = None
    # systemd reads it as root; not so where another could put a link to a file of root's in its place.
    environment_by_root: bool = True
    writable: tuple[str, ...] = ()
    # Whether systemd makes the folder of its log (LogsDirectory=); it is the site's own otherwise.
    log_is_ours: bool = True
    # Whether the supervisor has the site loaded, and forks its jobs.
    preload: bool = True
    # Whether it has a supervisor; without, timers and jobs go on, and what only it does is not done.
    supervisor: bool = True
    configured: bool = True

    @property
    def unit_prefix(self) -> str:
        """What the names of its units begin with."""
        return "linod-" if self.name == "default" else f"linod-{self.name}-"

    @property
    def is_in_home(self) -> bool:
        """Whether anything of it lies where ProtectHome=yes would hide it."""
        places = (self.directory, self.python, self.environment_file or "", *self.writable)
        return any(f"{place}/".startswith(HOMES) for place in places)

    @property
    def rules_file(self) -> Path:
        return self.state_directory / "rules.json"

    @property
    def request_directory(self) -> Path:
        """What the site asks root's side for, until that has taken it (request_folder.py)."""
        return self.state_directory / "requests"

    @property
    def lock_directory(self) -> Path:
        return self.state_directory / "locks"

    @property
    def accounted_marker(self) -> Path:
        """Its time: up to when every start has its row."""
        return self.state_directory / "starts.accounted"

    @property
    def spool_directory(self) -> Path:
        """Rows that wait for the database."""
        return self.state_directory / "spool"

    @property
    def runtime_directory(self) -> Path:
        """In memory: what lasts until the next boot (RuntimeDirectory= of its units)."""
        mine = None if os.geteuid() == 0 or self.user != user_name() else os.environ.get("XDG_RUNTIME_DIR")
        return (Path(mine) if mine else root() / "run") / "linod" / self.name

    @property
    def supervisor_socket(self) -> Path:
        """Where the supervisor takes jobs (job.service.j2 has it, too)."""
        return self.runtime_directory / "supervisor.socket"

    @property
    def fork_memory_file(self) -> Path:
        """How many bytes a fork of the supervisor had of its own, lately."""
        return self.runtime_directory / "fork.memory"

    @property
    def log_file(self) -> Path:
        return self.log_directory / "lino.log"


def root() -> Path:
    """The folder under which etc/linod, var/lib/linod and var/log/linod lie: ``$LINOD_ROOT`` or ``/``."""
    return Path(os.environ.get("LINOD_ROOT") or "/")


def config_directory() -> Path:
    return root() / "etc/linod"


def site_file(name: str) -> Path:
    """Where a site of this name is configured, if it is."""
    return config_directory() / f"{name}.toml"


def user_name() -> str:
    """The name of the effective user, or its number where it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def check_site_name(name: str) -> str:
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
    logs, writable = values.pop("log_directory", None), values.pop("writable", [])
    return Site(
        name=name,
        state_directory=root() / "var/lib/linod" / name,
        log_directory=Path(logs) if logs else root() / "var/log/linod" / name,
        environment_by_root=trust.only_root_names(values.get("environment_file", "/")),
        log_is_ours=logs is None,
        writable=(*writable, *([logs] if logs else [])),
        **values,
    )


def _check_keys(path: Path, values: dict[str, object]) -> None:
    for key in REQUIRED_KEYS:
        if key not in values:
            raise ConfigurationError(f"{path} lacks the key {key!r}", "add it (README, SITE.toml)")
    for key, value in values.items():
        if key not in REQUIRED_KEYS + OPTIONAL_KEYS:
            raise ConfigurationError(
                f"{path} has the unknown key {key!r}", f"known are {', '.join(REQUIRED_KEYS + OPTIONAL_KEYS)}"
            )
        if key in ("preload", "supervisor"):
            if not isinstance(value, bool):
                raise ConfigurationError(f"{path}: {key} is {value!r}", "give true or false")
            continue
        if key == "writable" and not isinstance(value, list):
            raise ConfigurationError(f"{path}: {key} is {value!r}", "give a list of folders")
        for text in value if isinstance(value, list) and key == "writable" else [value]:
            _check_text(path, key, text)


def _check_text(path: Path, key: str, text: object) -> None:
    if not isinstance(text, str) or not text or any(ord(sign) < 32 for sign in text):
        raise ConfigurationError(f"{path}: {key} is {text!r}", "give a non-empty text of one line")
    if key in PATH_KEYS and not text.startswith("/"):
        raise ConfigurationError(f"{path}: {key} is {text!r}", "give an absolute path")


def configured_sites() -> list[Site]:
    """All sites that have a SITE.toml, by name."""
    return [read_site(path) for path in sorted(config_directory().glob("*.toml"))]


def demo_site(name: str = "default", settings: str = DEMO_SETTINGS) -> Site:
    """What stands in where no site is configured: root's folders, or else the user's own.

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


def find_site(name: str | None = None) -> Site:
    """The site of this name, or the default one.

    Without a name: ``$LINOD_SITE``, else the only configured site, else ``default``.

    :raises ConfigurationError: for a name that is not configured.
    """
    wanted = name or os.environ.get("LINOD_SITE") or None
    if wanted is None:
        files = sorted(config_directory().glob("*.toml"))
        wanted = files[0].stem if len(files) == 1 else "default"
    path = site_file(check_site_name(wanted))
    if path.exists():
        return read_site(path)
    settings = os.environ.get("DJANGO_SETTINGS_MODULE", DEMO_SETTINGS)
    if name is None and settings != DEMO_SETTINGS:
        return site_of_settings(settings)
    if wanted != "default":
        return read_site(path)  # tells what is missing
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


def ensure_directories(site: Site) -> None:
    """Make the site's folders where no unit has made them (systemd does by StateDirectory=).

    :raises ConfigurationError: where that is not possible.
    """
    for folder in (
        site.state_directory,
        site.lock_directory,
        site.request_directory,
        site.log_directory,
    ):
        try:
            folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"the folder {folder} cannot be made ({error.strerror})",
                f"as root: install -d -o {site.user} -m 750 {folder}",
            ) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"the folder {folder} cannot be written by {user_name()}",
                f"as root: chown {site.user} {folder}",
            )
