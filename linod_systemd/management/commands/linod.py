"""``manage.py linod``: the commands of ``linod``; bare, the status lines."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from linod_systemd.cli import output
from linod_systemd.cli.command import Call
from linod_systemd.cli.main import dispatch, gives_json
from linod_systemd.cli.parser import ALL, add_commands
from linod_systemd.errors import LinodError
from linod_systemd.sites import config
from linod_systemd.store import rule_store


class Command(BaseCommand):
    """``manage.py linod``, as Django wants its commands named."""

    help = "The background tasks of this site: their status, or any command of `linod`."

    def add_arguments(self, parser: CommandParser) -> None:
        add_commands(parser, tuple(command for command in ALL if not command.of_host))

    def execute(self, *args: Any, **options: Any) -> Any:
        # The system checks of Django 6.1 open the database, which may lie in a folder of ours.
        config.ensure_directories(rule_store.current().site)
        return super().execute(*args, **options)

    def handle(self, *args: Any, **options: Any) -> None:
        from argparse import Namespace

        site = rule_store.current().site
        parsed = Namespace(
            **{"json": False, "export": False, "verbose": False, "lines": True, **options}
        )  # bare: the lines of the status
        try:
            with output.apart() if gives_json(parsed) else contextlib.nullcontext():
                code = dispatch(Call(parsed, site))
        except LinodError as error:
            raise CommandError(str(error), returncode=error.exit_code) from error
        if options["command"] is None and (note := rule_store.current().note):
            self.stderr.write(note)
        if code:
            sys.exit(code)
