"""linod-generate-units: make units of the rules.json of every site. Runs as root, and knows no site code.

Each site is a transaction of its own, under a lock of its own: a child reads its rules and computes their
timers (read_as_user.py), its units are verified aside, and written. Where anything is wrong with it, its
units stay as they are, and the next site goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from linod_systemd.common.text import visible_line
from linod_systemd.errors import LinodError
from linod_systemd.sites import config, trust
from linod_systemd.systemd import analyze, systemctl
from linod_systemd.units import apply, locks, plan, read_as_user, render, sources, verified, wanted
from linod_systemd.units.asked import Asked
from linod_systemd.units.compute_timers import Computed
from linod_systemd.units.plan import Plan
from linod_systemd.units.time_budget import TimeBudget
from linod_systemd.units.wanted import SiteUnits

STUCK_SECONDS = 5.0  # a request that stays starts the generator again and again


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; gives its exit code."""
    options = parser().parse_args(arguments)
    try:
        return generate(options)
    except LinodError as error:
        _complain(error)
        return error.exit_code


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="linod-generate-units",
        description="Turn the rules of every site into systemd units. Then: systemctl daemon-reload",
        epilog="Exit: 0 done, 1 an error (or --check would change something), 2 a rule was refused.",
    )
    parser.add_argument("--site", help="only this site (default: every configured one)")
    parser.add_argument(
        "--rules", type=Path, metavar="FILE", help="read this file instead of the site's rules.json"
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write there instead of systemd's directory"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if something would change"
    )
    parser.add_argument("--diff", action="store_true", help="show what changes")
    parser.add_argument("--user", action="store_true", help="units of the calling user's own systemd")
    parser.add_argument(
        "--apply",
        action="store_true",
        help="also take what sites ask for: reload systemd if a file changed, start what is to be run now",
    )
    return parser


@dataclass
class Generation:
    """One run of the generator: where it writes, and what came of it."""

    directory: Path
    per_user: bool
    live: bool
    writes: bool
    shows: bool = False
    plans: list[Plan] = field(default_factory=list)
    errors: list[LinodError] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    budget: TimeBudget | None = None

    @property
    def is_empty(self) -> bool:
        return all(one.is_empty for one in self.plans)

    @property
    def exit_code(self) -> int:
        if self.errors:
            return max(error.exit_code for error in self.errors)
        return 1 if not self.writes and not self.is_empty else 0


def generate(options: argparse.Namespace) -> int:
    """Do what the command line asks for; the exit code.

    :raises LinodError: where a directory cannot be written or no site can be read.
    """
    per_user = options.user or os.geteuid() != 0
    directory = options.output or unit_directory(per_user)
    live = options.output is None and systemctl.reads(directory, per_user=per_user)
    run = Generation(directory, per_user, live, writes=not options.check, shows=options.diff)
    if options.rules is not None:
        site = sources.site_of_file(options.rules, options.site)
        return _generate(run, [site], options, file=options.rules)
    sites, troubles = sources.sites(options.site)
    run.errors += troubles
    if not options.apply:
        return _generate(run, sites, options)
    with ExitStack() as stack:
        if options.site:  # as its path unit starts it, again and again
            seconds = sites[0].root_seconds_per_minute
            run.budget = stack.enter_context(TimeBudget(locks.directory(), sites[0].name, seconds))
        asked = Asked.of(sites, _complain)
        try:
            return max(int(asked.is_stuck), _generate(run, sites, options))
        finally:  # also where a rule or the disk is in the way of the generator
            asked.carry_out(per_user=per_user)
            if asked.is_stuck:
                time.sleep(STUCK_SECONDS)


def _complain(what: object) -> None:
    print(visible_line(f"linod-generate-units: {what}"), file=sys.stderr)


def _generate(
    run: Generation, sites: list[config.Site], options: argparse.Namespace, file: Path | None = None
) -> int:
    """Make the units of these sites; the exit code."""
    for site in sites:
        try:
            _one_site(run, site, file)
        except LinodError as error:
            run.errors.append(error)
        except Exception as error:  # whatever its rules do, the other sites go on
            said = f"site {site.name}: its units stay as they are ({type(error).__name__}: {error!s:.300})"
            run.errors.append(LinodError(said, f"correct its rules; see: linod --site {site.name} status"))
    if (
        not options.site
        and file is None
        and not (run.per_user and not all(site.configured for site in sites))
    ):
        _remove_forgotten(run, sites)
    for line in run.lines:
        print(line)
    print(f"{run.directory}: {plan.counted(run.plans)}")
    # One that was killed between its last file and its reload left nothing to do but that.
    if options.apply and (not run.is_empty or _needs_reload(run, sites)):
        with run.budget.reload(run.directory) if run.budget else nullcontext():
            systemctl.daemon_reload(per_user=run.per_user)
    if options.apply and os.environ.get("TRIGGER_UNIT", "").endswith(".timer"):  # it elapses with a new clock
        for site in sites:
            _leave_the_future(site, run.per_user)
    for trouble in run.errors:
        _complain(trouble)
    return run.exit_code


def _needs_reload(run: Generation, sites: Iterable[config.Site]) -> bool:
    """Whether files of these sites were changed since PID 1 read them."""
    patterns = [pattern for site in sites for pattern in (f"{site.unit_prefix}*", f"linod*@{site.name}.*")]
    return systemctl.needs_reload(*patterns, per_user=run.per_user)


def _one_site(run: Generation, site: config.Site, file: Path | None) -> None:
    """Read, compute, verify and write the units of one site.

    :raises LinodError: where something of it is wrong as a whole; nothing of it is written then.
    """
    sources.check_writable(site)
    with ExitStack() as stack:
        if run.writes:
            # Of two generators, the one that writes a site's units last has also read its rules last.
            stack.enter_context(locks.of_site(site.name, run.directory))
        now = datetime.now(UTC).replace(microsecond=0)
        installed = plan.read_installed(run.directory)
        units = _units(run, site, read_as_user.computed(site, installed.ours, now, file), now)
        _drop_what_systemd_refuses(run, units, installed)
        run.errors += units.refused
        _put(run, units, installed)


def _units(run: Generation, site: config.Site, computed: Computed | None, now: datetime) -> SiteUnits:
    client = _client(site, run.per_user)
    return wanted.of_site(
        site, computed, now=now, generator=sys.executable, client=client, per_user=run.per_user
    )


def _drop_what_systemd_refuses(run: Generation, units: SiteUnits, installed: plan.Installed) -> None:
    """Verify what is to be written; rules whose units systemd does not take are among the refused then.

    :raises SystemdError: where something else of the site is not taken.
    """
    place = units.site.name, run.directory
    is_verified = verified.holds(*place)
    while True:
        todo = plan.compute(units.files, installed, [units.site.name])
        to_verify = todo.write if is_verified else units.files  # all of them: also those that stay
        complaints = analyze.verify(to_verify, run.directory, per_user=run.per_user) if to_verify else []
        if complaints is None:
            _complain("not verified, systemd-analyze is not installed")
        # It looks at the installed units, too; some of these go, such as that of a rule which is refused now.
        complaints = [one for one in complaints or () if wanted.unit_named(one) not in todo.remove]
        if not complaints:
            if run.writes and not is_verified:
                verified.note(*place)
            return
        if not any([units.drop_blamed(complaint) for complaint in complaints]):
            raise systemctl.SystemdError(
                f"site {units.site.name}: systemd-analyze verify says: {complaints[0]:.500}",
                "nothing of this site was written: correct SITE.toml or its rules",
            )


def _put(run: Generation, units: SiteUnits, installed: plan.Installed) -> None:
    """Write the units of one site, and the first time those that all share; remove those that it has no more.

    :param installed: as it was read under the site's lock.
    :raises ApplyError: where that is not possible.
    """
    files = {**({} if run.plans else render.shared_units(per_user=run.per_user)), **units.files}
    if run.writes:
        apply.make_directory(run.directory)
    apply.check_foreign(files, installed, run.directory)
    site = units.site.name
    _carry_out(run, site, plan.compute(files, installed, [site]), units.relisted)


def _remove_forgotten(run: Generation, sites: Sequence[config.Site]) -> None:
    """Remove the units of sites that have no SITE.toml any more."""
    known = {site.name for site in sites} | {path.stem for path in config.config_directory().glob("*.toml")}
    for site in sorted(plan.owners(plan.read_installed(run.directory)) - known):
        with locks.of_site(site, run.directory) if run.writes else nullcontext():
            _carry_out(run, site, plan.compute({}, plan.read_installed(run.directory), [site]), ())


def _carry_out(run: Generation, site: str, todo: Plan, relisted: Iterable[str]) -> None:
    if run.shows:
        run.lines += todo.diff()
    if run.writes and not todo.is_empty:
        live, per_user = run.live, run.per_user
        apply.apply(todo, run.directory, site, live=live, per_user=per_user, relisted=set(relisted))
    run.plans.append(todo)


def _leave_the_future(site: config.Site, per_user: bool) -> None:
    for name in apply.leave_the_future(f"{site.unit_prefix}*.timer", datetime.now(UTC), per_user=per_user):
        print(f"{name} had elapsed by a clock that was ahead, and was started anew")


def unit_directory(per_user: bool) -> Path:
    """Where systemd, or the user's own, reads units that an administrator made."""
    if not per_user:
        return Path("/etc/systemd/system")
    return Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "systemd/user")


def _client(site: config.Site, per_user: bool) -> str | None:
    """Return the path of the client that a unit runs, if the site's user can read it; None: jobs are cold."""
    place = Path(__file__).resolve().parents[1] / "forkserver/ask.py"
    hidden = str(place).startswith(config.HOMES) and not site.is_in_home
    if not per_user and (hidden or not trust.all_may_read(place)):
        return None
    return str(place)


if __name__ == "__main__":
    sys.exit(main())
