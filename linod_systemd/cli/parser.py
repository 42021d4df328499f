"""The parser of ``linod``, made of what each command says of itself."""

from __future__ import annotations

import argparse
from importlib.metadata import version

from linod_systemd.cli.command import CliCommand
from linod_systemd.cli.commands import host, jobs, manage, pauses, rules, services, status, times

# In the order in which --help shows them.
ALL: tuple[CliCommand, ...] = (
    *(*status.COMMANDS, *times.COMMANDS, *jobs.COMMANDS, *rules.COMMANDS, *pauses.COMMANDS),
    *(*manage.COMMANDS, *services.COMMANDS, *host.COMMANDS),
)
COMMANDS = {command.name: command for command in ALL}


def parser(program: str) -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    result = argparse.ArgumentParser(
        prog=program, description="The background tasks of a site, run by systemd."
    )
    result.add_argument("--version", action="version", version=f"linod {version('linod-systemd')}")
    result.add_argument("--site", help="the site (default: the only one, or “default”)")
    result.set_defaults(parser=result)  # `linod completion` writes about it
    add_commands(result, ALL)
    return result


def add_commands(result: argparse.ArgumentParser, commands: tuple[CliCommand, ...]) -> None:
    """Add commands to a parser, whose class may be Django's."""
    known = result.add_subparsers(dest="command", metavar="COMMAND", parser_class=argparse.ArgumentParser)
    for command in commands:
        own = known.add_parser(command.name, help=command.summary, add_help=command.has_help)
        command.add_arguments(own)
