"""linod-run: the small entry point that a .service calls; Django is loaded only as the site's user."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from linod_systemd import conf, identity
from linod_systemd.errors import LinodError

USAGE = """usage: linod-run [--site SITE] RULE

Run one rule now, whether cancelled or not.
Exit: 0 done, 1 the job failed, 2 no such rule, 75 it is already running."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "-h" in arguments or "--help" in arguments:
        print(USAGE)
        return 0
    try:
        return run(*parse(arguments))
    except LinodError as error:
        print(f"linod-run: {error}", file=sys.stderr)
        return error.exit_code


def parse(arguments: Sequence[str]) -> tuple[str | None, str]:
    """The site (None: the default one) and the rule.

    :raises LinodError: for anything else.
    """
    rest, site = list(arguments), None
    if rest and rest[0].startswith("--site="):
        site = rest.pop(0).partition("=")[2]
    elif rest[:1] == ["--site"] and len(rest) > 1:
        site, rest = rest[1], rest[2:]
    if rest[:1] == ["--"]:
        rest.pop(0)
    elif rest and rest[0].startswith("-"):
        raise UsageError(f"unknown option {rest[0]!r}", USAGE.partition("\n")[0])
    if len(rest) != 1:
        raise UsageError("one rule is needed", USAGE.partition("\n")[0])
    return site, rest[0]


class UsageError(LinodError):
    """A command line that cannot be understood."""

    exit_code = 2


def run(site_name: str | None, rule: str) -> int:
    """Run the rule as the site's user; does not return where this process has to become that first."""
    site = conf.find_site(site_name)
    identity.enter(site, "linod_systemd.run", ["--", rule])
    identity.load(site)
    from linod_systemd.execute import execute

    return execute(site, rule)


if __name__ == "__main__":
    sys.exit(main())
