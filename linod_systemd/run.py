"""linod-run: the small entry point that a .service calls; Django is loaded only as the site's user."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from linod_systemd import client, conf, identity, load
from linod_systemd.errors import LinodError

USAGE = "usage: linod-run [--site SITE] [--here] [--elapsed TIME] RULE"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "-h" in arguments or "--help" in arguments:
        from linod_systemd import run_parser  # which no job needs

        run_parser.parser().print_help()
        return 0
    try:
        return run(parse(arguments))
    except LinodError as error:
        print(f"linod-run: {error}", file=sys.stderr)
        return error.exit_code


@dataclass(frozen=True)
class Command:
    """What is asked for; ``site`` is None for the default one."""

    rule: str
    site: str | None = None
    here: bool = False
    elapsed: datetime | None = None


def parse(arguments: Sequence[str]) -> Command:
    """Read the command line; without argparse, which would cost each job 10 ms.

    :raises UsageError: for one that cannot be understood.
    """
    rest, site, here, elapsed = list(arguments), None, False, None
    while rest and rest[0].startswith("-"):
        option = rest.pop(0)
        if option == "--":
            break
        if option == "--here":
            here = True
        elif option.startswith("--site="):
            site = option.partition("=")[2]
        elif option == "--site" and rest:
            site = rest.pop(0)
        elif option == "--elapsed" and rest:
            elapsed = _instant(rest.pop(0))
        else:
            raise UsageError(f"unknown option {option!r}", USAGE)
    if len(rest) != 1:
        raise UsageError("one rule is needed", USAGE)
    return Command(rest[0], site, here or elapsed is not None, elapsed)


def _instant(text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
        if value.tzinfo is not None:
            return value
    except ValueError:
        pass
    raise UsageError(f"{text!r} is no instant such as 2026-11-24T04:00:00+00:00", USAGE)


class UsageError(LinodError):
    """A command line that cannot be understood."""

    exit_code = 2


def run(command: Command) -> int:
    """Run the rule, as the site's user; the exit code."""
    site = conf.find_site(command.site, changes=True)
    if not command.here and os.geteuid() == 0 and site.configured:
        from linod_systemd import systemd, unit_run  # which no job needs

        if systemd.is_running():
            return unit_run.run(site, command.rule)
    how = ["--elapsed", command.elapsed.isoformat()] if command.elapsed else ["--here"]
    if not identity.is_entered(site):
        from linod_systemd import site_process  # which no job needs

        return site_process.enter(site, "linod_systemd.run", [*how, "--", command.rule], site_process.LONG)
    client.begin_run()
    load.load(site)
    from linod_systemd.execute import execute

    return execute(site, command.rule, elapsed=command.elapsed)


if __name__ == "__main__":
    sys.exit(main())
