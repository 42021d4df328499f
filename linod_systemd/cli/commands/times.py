"""``linod next``, ``explain``, ``calendar`` tell when rules are due; a rules.json needs no site for that."""

from __future__ import annotations

import argparse
from pathlib import Path

from linod_systemd.cli.command import Call, CliCommand, Needs
from linod_systemd.common.argument_types import count, instant, month


class AboutTimesCommand(CliCommand):
    """A command that a rules.json can answer, too."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--rules", type=Path, metavar="FILE", help="read a rules.json; needs no site")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def needed(self, options: argparse.Namespace) -> Needs:
        return self.needs if options.rules is None else Needs.NOTHING


class AboutRuleCommand(AboutTimesCommand):
    def run(self, call: Call) -> int:
        from linod_systemd.cli import next_times

        path, name = call.options.rules, call.options.rule
        if path is not None:
            return next_times.answer(next_times.find_in_file(path, name), call.options)
        from linod_systemd.cli import stored_times

        return next_times.answer(stored_times.find(call.site, name), call.options)


class NextCommand(AboutRuleCommand):
    name = "next"
    summary = "print when a rule is due, one ISO 8601 instant a line, in UTC"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("rule")
        parser.add_argument("-n", type=count, default=1, metavar="N", help="how many (default 1)")
        parser.add_argument(
            "--from", dest="from_time", type=instant, metavar="TIME", help="after this instant (default: now)"
        )
        super().add_arguments(parser)


class ExplainCommand(AboutRuleCommand):
    name = "explain"
    summary = "say in one English sentence when and how a rule is run"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("rule")
        super().add_arguments(parser)


class CalendarCommand(AboutTimesCommand):
    name = "calendar"
    summary = "what will run when: all rules on one page, for a week"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--month", nargs="?", const=True, type=month, metavar="YYYY-MM", help="for a month (this one)"
        )
        super().add_arguments(parser)

    def run(self, call: Call) -> int:
        from linod_systemd.cli import calendar

        if call.options.rules is not None:
            return calendar.from_file(call.options)
        from linod_systemd.cli import stored_times

        return stored_times.show_calendar(call.options)


COMMANDS = (
    NextCommand(),
    ExplainCommand(),
    CalendarCommand(),
)
