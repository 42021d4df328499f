"""``linod …``: administrators and developers type it; ``manage.py linod`` has the commands of a site, too."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence

from linod_systemd.cli import output
from linod_systemd.cli.command import Call, CliCommand, Needs
from linod_systemd.cli.parser import COMMANDS, parser
from linod_systemd.errors import LinodError
from linod_systemd.sites import config, load, site_user


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = parser("linod").parse_args(arguments)
        if options.command is None:
            options = parser("linod").parse_args([*arguments, "status"])
        return _run(COMMANDS[options.command], options, arguments)
    except LinodError as error:
        print(f"linod: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        output.nobody_reads()
        return 0


def _run(command: CliCommand, options: argparse.Namespace, arguments: Sequence[str]) -> int:
    needs = command.needed(options)
    if needs is Needs.NOTHING:
        return command.run(Call(options))
    site = config.find_site(options.site, changes=command.changes)
    if not site_user.is_entered(site):
        return _as_site(site, command, options, arguments)
    if needs is Needs.SITE:
        return command.run(Call(options, site))
    with output.apart(for_good=True) if gives_json(options) else contextlib.nullcontext():
        load.load(site)
        return dispatch(Call(options, site))


def _as_site(
    site: config.Site, command: CliCommand, options: argparse.Namespace, arguments: Sequence[str]
) -> int:
    """Have the command run as the site's user; its exit code."""
    from linod_systemd.site_processes import site_process  # which no unit needs

    is_long = command.is_long or gives_all(options) or getattr(options, "follow", False)
    limits = site_process.LONG if is_long else site_process.COMMAND
    words = without_site(arguments)
    return site_process.enter(site, "linod_systemd.cli", words, limits, interactive=command.is_interactive)


def gives_all(options: argparse.Namespace) -> bool:
    """Whether the answer may be as long as the history."""
    return bool(getattr(options, "export", False))


def gives_json(options: argparse.Namespace) -> bool:
    """Whether the answer is for a program, so that nothing else may stand on stdout."""
    return getattr(options, "json", False) or gives_all(options)


def dispatch(call: Call) -> int:
    """Run a command in a process where the site is loaded; the exit code.

    :raises LinodError: what the command cannot do.
    """
    from linod_systemd.store import database

    with database.explained(call.site):
        return COMMANDS[call.options.command or "status"].run(call)


def without_site(arguments: Sequence[str]) -> list[str]:
    """Return the arguments but for ``--site``, which site_process.enter() gives anew."""
    rest = list(arguments)
    while "--site" in rest[:2]:
        at = rest.index("--site")
        del rest[at : at + 2]
    return [argument for argument in rest if not argument.startswith("--site=")]
