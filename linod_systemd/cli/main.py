"""``linod …``: administrators and developers type it; ``manage.py linod`` has the same parser."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence

from linod_systemd.cli import output
from linod_systemd.cli.parser import parser
from linod_systemd.errors import LinodError
from linod_systemd.sites import config, load, site_user

LONG_COMMANDS = ("manage", "simulate", "supervise")
CHANGING_COMMANDS = (
    *("setup", "export", "cancel", "enable", "take-code", "run", "pause", "resume", "simulate", "manage"),
    "demo-data",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parser("linod").parse_args(arguments)
        if options.command == "completion":
            import shtab  # which no other command needs

            print(shtab.complete(parser("linod"), options.shell))
            return 0
        if options.command is None:
            options = parser("linod").parse_args([*arguments, "status"])
        if options.command == "calendar" and options.rules is not None:
            from linod_systemd.cli import calendar

            return calendar.from_file(options)
        if options.command in ("next", "explain") and options.rules is not None:
            from linod_systemd.cli import next_times

            return next_times.answer(next_times.find_in_file(options.rules, options.rule), options)
        if options.command in ("install-site", "uninstall-site"):
            from linod_systemd.cli import install_site

            return install_site.COMMANDS[options.command](options)
        if options.command == "update-sites":
            from linod_systemd.cli import update_sites

            return update_sites.update_sites(options)
        if options.command == "doctor":
            from linod_systemd.cli import doctor

            return doctor.doctor(options)
        site = config.find_site(options.site, changes=options.command in CHANGING_COMMANDS)
        if not site_user.is_entered(site):
            return _as_site(site, arguments, options)
        if options.command == "supervise" and not site.preload:
            from linod_systemd.supervisor.loop import supervise

            return supervise(site)
        if options.command == "record-end":
            from linod_systemd.jobs import on_failure

            return on_failure.record_end(site, options.rule)
        with output.apart(for_good=True) if gives_json(options) else contextlib.nullcontext():
            load.load(site)
            return dispatch(site, options)
    except LinodError as error:
        print(f"linod: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        output.nobody_reads()
        return 0


def _as_site(site: config.Site, arguments: Sequence[str], options: argparse.Namespace) -> int:
    """Have the command run as the site's user; its exit code."""
    from linod_systemd.site_processes import site_process  # which no unit needs

    is_long = options.command in LONG_COMMANDS or gives_all(options) or getattr(options, "follow", False)
    limits = site_process.LONG if is_long else site_process.COMMAND
    interactive = options.command == "manage"
    return site_process.enter(
        site, "linod_systemd.cli", without_site(arguments), limits, interactive=interactive
    )


def gives_all(options: argparse.Namespace) -> bool:
    """Whether the answer may be as long as the history."""
    return bool(getattr(options, "export", False))


def gives_json(options: argparse.Namespace) -> bool:
    """Whether the answer is for a program, so that nothing else may stand on stdout."""
    return getattr(options, "json", False) or gives_all(options)


def dispatch(site: config.Site, options: argparse.Namespace) -> int:
    """Run a parsed command in a process where the site is loaded; the exit code.

    :raises LinodError: what the command cannot do.
    """
    from linod_systemd.cli import commands
    from linod_systemd.store import database

    with database.explained(site):
        return commands.COMMANDS[options.command or "status"](site, options)


def without_site(arguments: Sequence[str]) -> list[str]:
    """The arguments but for ``--site``, which site_process.enter() gives anew."""
    rest = list(arguments)
    while "--site" in rest[:2]:
        at = rest.index("--site")
        del rest[at : at + 2]
    return [argument for argument in rest if not argument.startswith("--site=")]
