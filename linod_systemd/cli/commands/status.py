"""``linod status`` shows the rules, their last and next runs, and their troubles."""

from __future__ import annotations

import argparse

from linod_systemd.cli.command import Call, CliCommand


class StatusCommand(CliCommand):
    name = "status"
    summary = "list the rules with their next time"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.add_argument(
            "--lines", action="store_true", help="one line for each rule, as manage.py linod has"
        )
        parser.add_argument("-v", "--verbose", action="store_true", help="also what the supervisor costs")

    def run(self, call: Call) -> int:
        from linod_systemd.cli import status

        return status.status(call.site, call.options)


COMMANDS = (StatusCommand(),)
