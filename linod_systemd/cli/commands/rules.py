"""``linod setup``, ``cancel``, ``run``, ``stop``, ``skip`` and others: rules change, or are run."""

from __future__ import annotations

import argparse

from linod_systemd.cli.command import Call, CliCommand
from linod_systemd.common.argument_types import moment


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


class StopCommand(OfOneRuleCommand):
    name = "stop"
    summary = "ask systemd to stop the run of a rule; needs no root"

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.stop(call.site, call.options.rule)


class SkipCommand(OfOneRuleCommand):
    name = "skip"
    summary = "leave out the next run of a rule"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--note", default="", help="why")

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.skip_next(call.options.rule, call.options.note)


class BackfillCommand(OfOneRuleCommand):
    name = "backfill"
    summary = "run a rule for slots that are past, oldest first"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--from", dest="begin", type=moment, metavar="TIME", required=True, help="the first slot"
        )
        parser.add_argument(
            "--to", dest="end", type=moment, metavar="TIME", help="the last one (default: only the first)"
        )
        parser.add_argument("--force", action="store_true", help="also for slots that have run")

    def run(self, call: Call) -> int:
        from linod_systemd.cli import actions

        return actions.backfill(call.site, call.options)


COMMANDS = (
    SetupCommand(),
    ExportCommand(),
    CancelCommand(),
    EnableCommand(),
    TakeCodeCommand(),
    RunCommand(),
    StopCommand(),
    SkipCommand(),
    BackfillCommand(),
)
