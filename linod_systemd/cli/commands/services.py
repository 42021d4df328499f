"""``linod supervise`` and ``linod record-end``: the programs of units."""

from __future__ import annotations

import argparse

from linod_systemd.cli.command import Call, CliCommand, Needs
from linod_systemd.sites import load


class SuperviseCommand(CliCommand):
    """It loads the site by itself, where that is to be kept loaded."""

    name = "supervise"
    summary = "what linod-supervisor@SITE.service runs"
    needs = Needs.SITE
    is_long = True

    def run(self, call: Call) -> int:
        if call.site.preload:
            load.load(call.site)
        from linod_systemd.supervisor.loop import supervise

        return supervise(call.site)


class RecordEndCommand(CliCommand):
    """It loads the site by itself: of a site that does not load, the spool keeps how its job ended."""

    name = "record-end"
    summary = "what OnFailure= of a job starts"
    needs = Needs.SITE

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("rule")

    def run(self, call: Call) -> int:
        from linod_systemd.jobs import on_failure

        return on_failure.record_end(call.site, call.options.rule)


COMMANDS = (
    SuperviseCommand(),
    RecordEndCommand(),
)
