"""``linod manage``, ``linod simulate``, ``linod demo-data`` run commands of a site in the foreground."""

from __future__ import annotations

import argparse

from linod_systemd.cli.command import Call, CliCommand
from linod_systemd.errors import LinodError


class SimulateCommand(CliCommand):
    name = "simulate"
    summary = "run what is due in the foreground, without systemd, until Ctrl-C"
    changes = True
    is_long = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="run what is due now, and end")

    def run(self, call: Call) -> int:
        from linod_systemd.cli.simulate import simulate

        return simulate(call.site, once=call.options.once)


class DemoDataCommand(CliCommand):
    name = "demo-data"
    summary = "fill the demo site with people, messages, events"
    changes = True

    def run(self, call: Call) -> int:
        from django.apps import apps

        if not apps.is_installed("linod_systemd.demo"):
            raise LinodError(f"the site {call.site.name!r} is not the demo site", "its data is yours to make")
        from linod_systemd.demo.data import demo_data

        print(demo_data())
        return 0


class ManageCommand(CliCommand):
    name = "manage"
    summary = "run a command of the site's manage.py"
    changes = True
    is_long = True
    is_interactive = True
    has_help = False  # --help is for the command of manage.py

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("arguments", nargs=argparse.REMAINDER)

    def run(self, call: Call) -> int:
        from django.core.management import execute_from_command_line

        execute_from_command_line(["linod manage", *call.options.arguments])
        return 0


COMMANDS = (
    SimulateCommand(),
    DemoDataCommand(),
    ManageCommand(),
)
