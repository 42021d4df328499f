"""``linod jobs`` lists the jobs that ran; ``linod show`` shows one of them."""

from __future__ import annotations

import argparse

from linod_systemd.cli.command import Call, CliCommand
from linod_systemd.common.argument_types import count, moment


class JobsCommand(CliCommand):
    name = "jobs"
    summary = "list what ran, latest first"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("rule", nargs="?")
        parser.add_argument("-n", type=count, default=20, metavar="N", help="how many (default 20)")
        parser.add_argument(
            "--status", help="only those running, success, failed, timeout, killed, lost or skipped"
        )
        parser.add_argument("--trigger", help="only those started by timer, catch_up, manual or retry")
        parser.add_argument(
            "--since", type=moment, metavar="TIME", help="only those from 2026-11-24T04:00 on (site time)"
        )
        parser.add_argument("--json", action="store_true", help="print JSON; with --follow an object a line")
        parser.add_argument(
            "-f", "--follow", action="store_true", help="go on, with each job as it ends, until Ctrl-C"
        )
        parser.add_argument(
            "--export", action="store_true", help="print all, oldest first, as a line of JSON each"
        )
        parser.add_argument(
            "-v", "--verbose", action="store_true", help="also whether warm, CPU time and memory"
        )

    def run(self, call: Call) -> int:
        from linod_systemd.cli import jobs

        return jobs.jobs(call.site, call.options)


class ShowCommand(CliCommand):
    name = "show"
    summary = "show one job with its message"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("job", type=int)
        parser.add_argument("--json", action="store_true", help="print JSON")

    def run(self, call: Call) -> int:
        from linod_systemd.cli import jobs

        return jobs.show(call.site, call.options)


COMMANDS = (
    JobsCommand(),
    ShowCommand(),
)
