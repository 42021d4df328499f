"""``linod setup``, ``export``, ``cancel``, ``enable``, ``take-code``, ``run``: rules change, or are run."""

from __future__ import annotations

import argparse

from linod_systemd.cli.command import Call, CliCommand


class SetupCommand(CliCommand):
    name = "setup"
    summary = "make rules for new procedures, drop those whose procedure is gone"
    changes = True

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.setup(call.site)


class ExportCommand(CliCommand):
    name = "export"
    summary = "write rules.json anew"
    changes = True

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.write_rules(call.site)


class OfOneRuleCommand(CliCommand):
    changes = True

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("rule")


class CancelCommand(OfOneRuleCommand):
    name = "cancel"
    summary = "stop a rule's timer"

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.cancel(call.site, call.options.rule)


class EnableCommand(OfOneRuleCommand):
    name = "enable"
    summary = "start a cancelled rule's timer again"

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.enable(call.options.rule)


class TakeCodeCommand(OfOneRuleCommand):
    name = "take-code"
    summary = "give a rule that was edited what its decorator says"

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.take_code(call.options.rule)


class RunCommand(OfOneRuleCommand):
    name = "run"
    summary = "ask systemd to run a rule now; needs no root"

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.request_run(call.site, call.options.rule)


COMMANDS = (
    SetupCommand(),
    ExportCommand(),
    CancelCommand(),
    EnableCommand(),
    TakeCodeCommand(),
    RunCommand(),
)
