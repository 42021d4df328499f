"""``linod pause`` and ``linod resume`` begin and end a pause of a rule or of the whole site."""

from __future__ import annotations

import argparse

from linod_systemd.cli.command import Call, CliCommand
from linod_systemd.common.argument_types import duration, moment


class PauseCommand(CliCommand):
    name = "pause"
    summary = "don't run a rule, or any, until a time; it ends by itself"
    changes = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("rule", nargs="?", help="default: the whole site")
        end = parser.add_mutually_exclusive_group(required=True)
        end.add_argument("--until", type=moment, metavar="TIME", help="such as 2027-01-02T06:00 (site time)")
        end.add_argument(
            "--for", dest="duration", type=duration, metavar="TIME", help="such as 90s, 30m, 2h or 3d"
        )
        parser.add_argument("--note", default="", help="why")

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.pause_rule(call.site, call.options)


class ResumeCommand(CliCommand):
    name = "resume"
    summary = "end the pause of a rule, or of the whole site"
    changes = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("rule", nargs="?", help="default: the whole site")

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.resume(call.site, call.options.rule)


COMMANDS = (
    PauseCommand(),
    ResumeCommand(),
)
