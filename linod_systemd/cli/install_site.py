"""Make the SITE.toml and the units of a site, as root (``install-site``), or remove them."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from linod_systemd.cli.output import agrees, say
from linod_systemd.common import files, unit_names
from linod_systemd.common.text import visible_line
from linod_systemd.errors import ConfigurationError
from linod_systemd.site_processes import site_process
from linod_systemd.sites import config, folders, trust
from linod_systemd.systemd import systemctl, unit_health
from linod_systemd.systemd.unit_health import Trouble
from linod_systemd.units import apply, generate, locks, plan

VENVS = ("env", "venv", ".venv")
START_SECONDS = 90.0
END_SECONDS = 60.0
MOST_CHARACTERS = 65536
MOST_DATABASES = 10
MOST_REASON = 300  # characters


def install(options: argparse.Namespace) -> int:
    """Write SITE.toml and start the site's units; again: bring them up to date.

    :raises ConfigurationError: where something is missing; then nothing is written.
    """
    _need_root("install-site")
    name = config.check_site_name(options.name)
    path = config.site_file(name)
    values = _as_before(path) | {
        key: value
        for key in ("settings", "user", "python", "directory", "environment_file")
        if (value := getattr(options, key)) is not None
    }
    values.setdefault("directory", os.getcwd())
    for key in ("settings", "user"):
        if key not in values:
            raise ConfigurationError(f"the site {name!r} is new, and --{key} is not given", f"give --{key}")
    if "python" not in values:
        values["python"] = _find_python(Path(values["directory"]))
    found = _ask(name, values, options)
    if found["log_directory"]:
        values.setdefault("log_directory", found["log_directory"])
    state = Path("/var/lib/linod", name)  # which is writable anyway
    values.setdefault("writable", [one for one in found["writable"] if not Path(one).is_relative_to(state)])
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    files.write_atomically(path, _toml(values))
    say(f"wrote {path}")
    return _start(config.read_site(path))


def uninstall(options: argparse.Namespace) -> int:
    """Remove SITE.toml and the site's units; its database, state and log stay.

    :raises ConfigurationError: where it is not installed.
    """
    _need_root("uninstall-site")
    path = config.site_file(config.check_site_name(options.name))
    if not path.exists():
        raise ConfigurationError(f"the site {options.name!r} is not installed", f"see: ls {path.parent}")
    _remove_units(options.name)
    path.unlink()
    say(f"removed {path}")
    return 0


def _remove_units(name: str) -> None:
    """Remove the timers, end the jobs, wait until their ends are recorded, and remove the rest."""
    directory, live = generate.unit_directory(per_user=False), systemctl.is_running()
    with locks.of_site(name, directory):
        installed = plan.read_installed(directory)
        ours = plan.compute({}, installed, [name]).remove
        services = [unit for unit in ours if unit.endswith(".service")]
        held = [unit for unit in ours if unit.endswith((".slice", ".mount"))]
        kept = {unit: installed.ours[unit] for unit in [*services, *held]}
        apply.apply(plan.compute(kept, installed, [name]), directory, name, live=live, per_user=False)
        if live:
            systemctl.daemon_reload()
            _end_jobs(name, [unit for unit in services if "@." not in unit])
        rest = plan.compute({}, plan.read_installed(directory), [name])
        apply.apply(rest, directory, name, live=live, per_user=False)
    if live:
        systemctl.daemon_reload()
    print(f"{directory}: the units of {name} are removed")


def _end_jobs(name: str, services: list[str]) -> None:
    if services:
        systemctl.systemctl("stop", "--no-block", "--", *services, check=False)
    deadline = time.monotonic() + END_SECONDS
    while not systemctl.inactive(services) and time.monotonic() < deadline:
        time.sleep(0.2)
    if not systemctl.inactive(services):  # a job may be deaf to being stopped
        systemctl.systemctl("kill", "--signal=KILL", "--", *services, check=False)
    recorders = [unit_names.any_instance(unit) for unit in (unit_names.failure(name), unit_names.ended(name))]
    listing = ("list-units", "--plain", "--no-legend", "--state=active,activating,deactivating", "--")
    deadline = time.monotonic() + END_SECONDS
    while systemctl.systemctl(*listing, *recorders) and time.monotonic() < deadline:
        time.sleep(0.2)
    systemctl.systemctl("reset-failed", "--", *recorders, check=False)


def _need_root(command: str) -> None:
    if os.geteuid() != 0:
        raise ConfigurationError("only root may write /etc/linod", f"sudo linod {command} …")


def _as_before(path: Path) -> dict[str, Any]:
    """The keys of a SITE.toml that is there already, which stay where no option says otherwise.

    :raises ConfigurationError: where it is not root's alone, or wrong: it is not to become root's by this.
    """
    if not path.exists():
        return {}
    config.read_site(path)  # says what is wrong with it
    return tomllib.loads(trust.read(path))


def _find_python(directory: Path) -> str:
    for name in VENVS:
        python = directory / name / "bin" / "python"
        if os.access(python, os.X_OK):
            return str(python)
    raise ConfigurationError(
        f"there is no python of the site in {directory} (looked for {', '.join(VENVS)})",
        "give --python, the one in which `pip install linod-systemd` was done",
    )


def _ask(name: str, values: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Load the site as its user, and have it say where it writes; its tables are made, its database is moved.

    :raises ConfigurationError: where it does not load, or nobody agrees to what has to be done.
    """
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder, f"{name}.toml")
        candidate.write_text(_toml(values), encoding="utf-8")
        site = config.read_site(candidate)
    found = _answer(site)
    for database in found["databases_beside_code"]:
        _move(site, database, options)
    if found["to_migrate"]:
        _migrate(site, found["to_migrate"], options)
    if found["databases_beside_code"] or found["to_migrate"]:
        found = _answer(site)
        if found["databases_beside_code"] or found["to_migrate"]:
            said = found["to_migrate"] or f"{found['databases_beside_code'][0]} lies beside the code"
            raise ConfigurationError(f"it is still so: {said}", "see what the commands above have said")
    return {key: found[key] for key in ("log_directory", "writable")}


def _answer(site: config.Site) -> dict[str, Any]:
    """:raises ConfigurationError: where the site does not load, or its answer is none."""
    answer = site_process.ask(site, [site.python, "-m", "linod_systemd.cli.site_facts", site.directory])
    if answer.code != 0:
        said = (answer.stderr.strip() or "nothing").splitlines()[-1]
        raise ConfigurationError(
            visible_line(f"the site {site.name!r} does not load as {site.user}; it says: {said:.300}"),
            config.as_user(site, site.python, "manage.py", "check", folder=site.directory),
        )
    return _believed(site, answer.stdout)


def _migrate(site: config.Site, reason: str, options: argparse.Namespace) -> None:
    """Make the tables of the site, as its user.

    :raises ConfigurationError: where nobody agrees, or it fails.
    """
    command = [site.python, "-m", "linod_systemd.cli.site_facts", site.directory, "--migrate"]
    by_hand = config.as_user(site, site.python, "manage.py", "migrate", folder=site.directory)
    say(f"the site says: {reason}")
    if not (options.migrate or agrees(f"Make its tables now, as {site.user}, by migrate?")):
        raise ConfigurationError(
            f"the database of {site.name!r} has no tables yet", f"--migrate, or: {by_hand}"
        )
    if site_process.relay(site, command, site_process.LONG) != 0:
        raise ConfigurationError(f"the tables of {site.name!r} could not be made", by_hand)


def _move(site: config.Site, database: str, options: argparse.Namespace) -> None:
    """Move an SQLite database into the state folder, as the site's user; a link stays in its place.

    :raises ConfigurationError: where nobody agrees, or it fails.
    """
    folder = site.state_directory
    say(f"the database {database!r} lies beside the code, and jobs that may write there could write the code")
    question = f"Move it to {folder} now (a link stays; stop the site's web server first)?"
    if not (options.move_database or agrees(question)):
        raise ConfigurationError(
            f"the database {database!r} lies beside the code",
            "stop the site's processes and give --move-database, or name a folder without code in DATABASES",
        )
    command = [site.python, "-m", "linod_systemd.cli.move_database", database, str(folder)]
    if site_process.relay(site, command, site_process.LONG) != 0:
        raise ConfigurationError(f"the database {database!r} was not moved", "see above")


def _believed(site: config.Site, answer: str) -> dict[str, Any]:
    """Return the values of a site's answer that root believes; folders that are not the site's are told.

    :raises ConfigurationError: for an answer that is none.
    """
    if len(answer) > MOST_CHARACTERS:
        raise ConfigurationError(f"the site's answer has {len(answer)} characters", "install it anew")
    try:
        found = json.loads(answer)
        log, writable = found["log_directory"], found["writable"]
        beside, to_migrate = found["databases_beside_code"], found["to_migrate"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"the site's answer is unusable ({error!s:.100})"
        raise ConfigurationError(what, "install it anew") from error
    lists = [writable, beside]
    if not all(isinstance(one, list) and all(isinstance(name, str) for name in one) for one in lists) or not (
        isinstance(log, str | None) and isinstance(to_migrate, str)
    ):
        raise ConfigurationError("the site's answer is no list of folders", "install it anew")
    others = [one for one in config.configured_sites() if one.name != site.name]
    believed = []
    for folder in [*([log] if log else []), *writable]:
        problem = folders.problem_of(site, folder, others)
        if problem:
            say(f"left out of what the site may write: {folder!r}, which {problem}")
        else:
            say(f"the site says that it writes into {folder}")
            believed.append(folder)
    return {
        "log_directory": log if log in believed else None,
        "writable": [folder for folder in writable if folder in believed],
        "databases_beside_code": beside[:MOST_DATABASES],
        "to_migrate": to_migrate[:MOST_REASON],
    }


def _toml(values: dict[str, Any]) -> str:
    """A JSON text of strings, lists and truths is a TOML value, too."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())


def _start(site: config.Site) -> int:
    code = generate.main(["--site", site.name])
    if not systemctl.is_running():
        say(f"systemd is not PID 1 here: on its machine, systemctl daemon-reload starts {site.name}")
        return code
    systemctl.daemon_reload()
    systemctl.systemctl("enable", "--quiet", "--now", unit_names.TARGET)
    supervisor = unit_names.supervisor(site.name)
    deadline = time.monotonic() + START_SECONDS
    while (
        site.supervisor and systemctl.properties(supervisor, ["ActiveState"]).get("ActiveState") != "active"
    ):
        if time.monotonic() > deadline:
            raise ConfigurationError(f"{supervisor} does not start", f"see: journalctl -u {supervisor}")
        time.sleep(0.2)
    if site.supervisor:  # without one nobody has set the rules up yet
        _await_timers(site, deadline)
    status = config.command(site.name, "status")
    say(f"{site.name} is installed; see: systemctl list-timers '{site.unit_prefix}*'; {status}")
    return code


def _await_timers(site: config.Site, deadline: float) -> None:
    """Wait until systemd has the timers of the rules that the supervisor has set up.

    :raises ConfigurationError: where they do not come, with what is wrong.
    """
    while not _has_timers(site):
        if time.monotonic() > deadline:
            log = f"see: journalctl -u linod-generate@{site.name}"
            trouble = next(iter(unit_health.of_site(site)), Trouble("its timers are not there", log))
            raise ConfigurationError(f"{site.name}: {trouble.what}", trouble.remedy)
        time.sleep(0.2)


def _has_timers(site: config.Site) -> bool:
    if not site.rules_file.exists() or not unit_health.is_up_to_date(site):
        return False
    # Asked again: a change may have come while systemd was asked.
    return not unit_health.of_site(site) and unit_health.is_up_to_date(site)
