"""linod-run: the small entry point that a .service calls; Django is loaded only as the site's user."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from linod_systemd.common.argument_types import instant
from linod_systemd.errors import LinodError
from linod_systemd.forkserver import client
from linod_systemd.sites import config, load, site_user


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, with the arguments of this process by default; its exit code."""
    options = parser().parse_args(arguments)
    try:
        return run(options)
    except LinodError as error:
        print(f"linod-run: {error}", file=sys.stderr)
        return error.exit_code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="linod-run",
        allow_abbrev=False,
        description="Run one rule now, whether cancelled or not. As root: in its own unit, with its output "
        "as it comes; Ctrl-C stops it. With --here, or for anyone else: in this process, as its site's user.",
        epilog="Exit: 0 done, 1 the job failed, 2 no such rule, 75 it is already running.",
    )
    result.add_argument("--site", help="the site (default: the only one, or “default”)")
    result.add_argument("--here", action="store_true", help="in this process, not in the rule's unit")
    result.add_argument(
        "--elapsed",
        type=instant,
        metavar="TIME",
        help="as if its timer had elapsed then (ISO 8601): it runs only if it is due; takes --here along",
    )
    result.add_argument("rule", metavar="RULE")
    return result


def run(options: argparse.Namespace) -> int:
    """Run the rule, as the site's user; the exit code."""
    site = config.find_site(options.site, changes=True)
    here = options.here or options.elapsed is not None
    if not here and os.geteuid() == 0 and site.configured:
        from linod_systemd.systemd import systemctl
        from linod_systemd.units import run_unit  # which no job needs

        if systemctl.is_running():
            return run_unit.run(site, options.rule)
    how = ["--elapsed", options.elapsed.isoformat()] if options.elapsed else ["--here"]
    if not site_user.is_entered(site):
        from linod_systemd.site_processes import site_process  # which no job needs

        _speak_as_units()

        return site_process.enter(site, "linod_systemd.run", [*how, "--", options.rule], site_process.LONG)
    from linod_systemd.runner import surroundings

    client.begin_run()
    surroundings.begin_as_unit(site.directory)
    load.load(site)
    from linod_systemd.runner.execute import execute

    surroundings.settle(options.rule)

    return execute(site, options.rule, elapsed=options.elapsed)


def _speak_as_units() -> None:
    """Have the language and the time zone that systemd gives its units, and not those of a terminal."""
    from linod_systemd.systemd import systemctl

    if not systemctl.is_running():
        return
    given = systemctl.manager_environment()
    for name in ("LANG", "LC_ALL", "TZ"):
        os.environ.pop(name, None)
        if name in given:
            os.environ[name] = given[name]


if __name__ == "__main__":
    sys.exit(main())
