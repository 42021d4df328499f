"""Site: the values of a SITE.toml, and the paths that follow from them. No Django, no code of a site."""

from __future__ import annotations

import os
import pwd
import shlex
from dataclasses import dataclass
from pathlib import Path

from linod_systemd.common import unit_names
from linod_systemd.errors import ConfigurationError
from linod_systemd.rules.nearest import RuleCommands
from linod_systemd.sites import trust

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
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
    # The units that jobs and supervisor wait for at the boot, such as network-online.target.
    after: tuple[str, ...] = ()
    # Whether systemd makes the folder of its log (LogsDirectory=); it is the site's own otherwise.
    log_is_ours: bool = True
    # Whether the supervisor has the site loaded, and forks its jobs.
    preload: bool = True
    # "full"; "none" leaves out what needs mounts, which a container may not make.
    sandbox: str = "full"
    # Whether it has a supervisor; without, timers and jobs go on, and what only it does is not done.
    supervisor: bool = True
    # Whether its user may be root.
    as_root: bool = False
    # The limits of its slice (systemd.resource-control(5)): memory and tasks of all its processes together.
    memory_max: str = "75%"
    tasks_max: int = 4096
    cpu_weight: int = 100
    # How much its processes keep in /run, which is memory.
    runtime_max: str = "64M"
    # How many rules become units, and how many OnCalendar= and After= lines these have in all: PID 1 reads
    # them at each reload, and nothing else happens on the host meanwhile.
    rules_max: int = 500
    unit_lines_max: int = 3000
    # How many seconds of each minute root's side spends on its requests; more of them wait, and come as one.
    root_seconds_per_minute: int = 12
    configured: bool = True

    @property
    def unit_prefix(self) -> str:
        """The beginning of the names of its units: ``linod-shop-``."""
        return unit_names.prefix_of(self.name)

    @property
    def path(self) -> str:
        """$PATH of its processes: the programs of its python come first, as where the venv is activated."""
        return f"{os.path.dirname(self.python)}:{PATH}"

    @property
    def slice(self) -> str:
        """The slice that holds all its processes: a child of linod.slice (systemd.slice(5))."""
        return unit_names.site_slice(self.name)

    @property
    def is_in_home(self) -> bool:
        """Whether anything of it lies in a home, which its units hide otherwise."""
        places = (self.directory, self.python, self.environment_file or "", *self.writable)
        return any(f"{place}/".startswith(HOMES) for place in places)

    @property
    def rules_file(self) -> Path:
        return self.state_directory / "rules.json"

    @property
    def request_directory(self) -> Path:
        """Requests to root's side, until that has taken them (sites/requests.py).

        Beside the state folder, /var/lib/linod/SITE.requests: in a folder of root's, so that the site cannot
        put a link in its place, which systemd's .path unit would follow.
        """
        return self.state_directory.with_name(f"{self.state_directory.name}.requests")

    @property
    def lock_directory(self) -> Path:
        return self.state_directory / "locks"

    @property
    def accounted_marker(self) -> Path:
        """Its time: up to when every start has its row."""
        return self.state_directory / "starts.accounted"

    @property
    def silence_file(self) -> Path:
        """The rules of which people know that they have not succeeded for too long."""
        return self.state_directory / "silence.json"

    @property
    def outbox_directory(self) -> Path:
        """Mails that wait to be sent."""
        return self.state_directory / "outbox"

    @property
    def spool_directory(self) -> Path:
        """Rows that wait for the database."""
        return self.state_directory / "spool"

    @property
    def runtime_directory(self) -> Path:
        """The folder in /run that its processes share until the next boot (RuntimeDirectory= of units)."""
        mine = None if os.geteuid() == 0 or self.user != user_name() else os.environ.get("XDG_RUNTIME_DIR")
        return (Path(mine) if mine else root() / "run") / "linod" / self.name / "shared"

    @property
    def supervisor_socket(self) -> Path:
        """Where the supervisor takes jobs (job.service.j2 has it, too)."""
        return self.runtime_directory / "supervisor.socket"

    @property
    def fork_memory_file(self) -> Path:
        """How many bytes a fork of the supervisor had of its own, lately."""
        return self.runtime_directory / "fork.memory"

    def rule_commands(self) -> RuleCommands:
        """The commands that list and make the rules of this site."""
        return RuleCommands(command(self.name, "status"), command(self.name, "setup"))

    @property
    def log_file(self) -> Path:
        return self.log_directory / "lino.log"


def root() -> Path:
    """The folder under which etc/linod, var/lib/linod and var/log/linod lie: ``$LINOD_ROOT`` or ``/``."""
    return Path(os.environ.get("LINOD_ROOT") or "/")


def config_directory() -> Path:
    """Return the folder of the SITE.toml files: ``/etc/linod``, below $LINOD_ROOT."""
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


def as_user(site: Site, *command: str, folder: str | None = None) -> str:
    """The line by which a program of a site is run as its user, for a remedy that is to be pasted.

    Where root may paste it, never the program alone: root would run what the site has put there.
    """
    become = ["runuser", "-u", site.user, "--"] if site.configured else []
    there = [] if folder is None else ["env", f"--chdir={folder}"]
    return shlex.join([*become, *there, *command])


def command(site: str, *words: str) -> str:
    """A command of ``linod``, to be typed as it stands: with ``--site`` where it would be another's.

    :param site: its name; empty where that is not known.
    """
    names = [path.stem for path in config_directory().glob("*.toml")]
    named = [] if not site or names in ([], [site]) else ["--site", site]
    return shlex.join(["linod", *named, *words])


def make_folder_remedy(site: Site, folder: Path) -> str:
    """The command by which root makes a folder of a site.

    Only where its parent is root's, root does so itself: elsewhere the site may put a link in its place.
    """
    nearest = next(parent for parent in folder.parents if parent.exists())
    if trust.only_root_names(str(nearest / "new")):
        return f"install -d -o {site.user} -m 750 {shlex.quote(str(folder))}"
    return as_user(site, "mkdir", "-p", str(folder))


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
                f"as root: {make_folder_remedy(site, folder)}",
            ) from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"the folder {folder} cannot be written by {user_name()}",
                f"as root: chown --no-dereference {site.user} {shlex.quote(str(folder))}",
            )
