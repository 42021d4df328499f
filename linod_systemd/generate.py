"""linod-generate-units: rules.json of every site → units. Runs as root, and knows no site code."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from linod_systemd import apply, border, conf, plan, render, sources, systemd, trust, unitnames, wanted
from linod_systemd.errors import LinodError, RefusedRule
from linod_systemd.request_folder import Taken
from linod_systemd.sources import Source
from linod_systemd.visible import visible_line

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
    """What the command line may say."""
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


def generate(options: argparse.Namespace) -> int:
    """Do what the command line asks for; the exit code.

    :raises LinodError: where a directory cannot be written or no site can be read.
    """
    per_user = options.user or os.geteuid() != 0
    sites = sources.sites(options.site) if options.rules is None else []
    if not options.apply:
        return _generate(options, sites, per_user)
    asked, is_stuck = _take_requests(sites)
    try:
        return max(int(is_stuck), _generate(options, sites, per_user))
    finally:  # also where a rule or the disk is in the way of the generator
        _start(asked, per_user)
        if is_stuck:
            time.sleep(STUCK_SECONDS)


def _take_requests(sites: list[conf.Site]) -> tuple[list[str], bool]:
    """The units that sites ask to be started, and whether something stays that cannot be taken."""
    asked, is_stuck = [], False
    for site in sites:
        try:
            taken = border.take(site)
        except LinodError as error:
            taken = Taken(stuck=[str(error)])
        asked += [unitnames.service(site.unit_prefix, rule) for rule in taken.run]
        for trouble in taken.troubles:
            _complain(visible_line(f"{site.request_directory}: {trouble}: it was removed"))
        for trouble in taken.stuck:
            said = f"{site.request_directory}: {trouble}: remove it, or what is asked for waits"
            _complain(visible_line(said))
            is_stuck = True
    return asked, is_stuck


def _complain(what: object) -> None:
    print(f"linod-generate-units: {what}", file=sys.stderr)


def _start(units: Iterable[str], per_user: bool) -> None:
    for unit in units:
        try:
            systemd.systemctl("start", "--no-block", "--", unit, per_user=per_user)
            print(f"started {unit}")
        except systemd.SystemdError as error:
            _complain(error)


def _generate(options: argparse.Namespace, sites: list[conf.Site], per_user: bool) -> int:
    directory = options.output or unit_directory(per_user)
    with apply.locked(directory) if not options.check else _nothing():
        # Read under the lock: of two generators, the one that writes last has also read last.
        found, troubles = sources.read(options, sites)
        installed = plan.read_installed(directory)
        result = _wanted(found, installed, per_user)
        result.files |= render.shared_units(per_user=per_user)
        _check_foreign(result.files, installed, directory)
        names = _spoken_for(options, found, troubles, per_user)
        todo = plan.compute(result.files, installed, names)
        todo = _verified(found, todo, result, installed, names, directory, per_user)
        if options.diff:
            print(*todo.diff(), sep="\n")
        if not options.check:
            live = options.output is None and systemd.reads(directory, per_user=per_user)
            apply.apply(todo, directory, live=live, per_user=per_user, relisted=result.relisted)
    print(f"{directory}: {todo}")
    # One that was killed between its last file and its reload left nothing to do but that.
    if options.apply and (not todo.is_empty or systemd.needs_reload("linod*", per_user=per_user)):
        systemd.daemon_reload(per_user=per_user)
    if options.apply and os.environ.get("TRIGGER_UNIT", "").endswith(".timer"):  # it elapses with a new clock
        for site in sites:
            _leave_the_future(site, per_user)
    for error in [*troubles, *result.refused]:
        _complain(error)
    if troubles or result.refused:
        return max(error.exit_code for error in [*troubles, *result.refused])
    return 1 if options.check and not todo.is_empty else 0


def _spoken_for(
    options: argparse.Namespace, found: list[Source], troubles: Collection[LinodError], per_user: bool
) -> list[str] | None:
    """The sites that this run speaks for: the units of others stay; None: for all."""
    # Which projects a user has that have no SITE.toml, nobody knows.
    is_one_of_many = per_user and not all(source.site.configured for source in found)
    if options.site or options.rules or troubles or is_one_of_many:
        return [source.site.name for source in found]
    return None


def _leave_the_future(site: conf.Site, per_user: bool) -> None:
    for name in apply.leave_the_future(f"{site.unit_prefix}*.timer", datetime.now(UTC), per_user=per_user):
        print(f"{name} had elapsed by a clock that was ahead, and was started anew")


class _nothing:
    """No lock: --check writes nothing, and may not even be allowed to open the directory for it."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def unit_directory(per_user: bool) -> Path:
    """Where systemd, or the user's own, reads units that an administrator made."""
    if not per_user:
        return Path("/etc/systemd/system")
    return Path(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "systemd/user")


def _wanted(found: list[Source], installed: plan.Installed, per_user: bool) -> wanted.Wanted:
    result = wanted.Wanted(datetime.now(UTC).replace(microsecond=0))
    for source in found:
        one = wanted.of_site(
            source.site,
            source.rules,
            installed.ours,
            now=result.now,
            generator=sys.executable,
            client=_client(source.site, per_user),
            per_user=per_user,
        )
        result.files |= one.files
        result.refused += one.refused
        result.relisted |= one.relisted
    return result


def _client(site: conf.Site, per_user: bool) -> str | None:
    """What a unit of this site runs to ask for its job, if that is where the site's user can read it."""
    place = Path(__file__).resolve().with_name("ask.py")
    hidden = str(place).startswith(conf.HOMES) and not site.is_in_home
    if not per_user and (hidden or not trust.all_may_read(place)):
        return None
    return str(place)


def _check_foreign(files: dict[str, str], installed: plan.Installed, directory: Path) -> None:
    for name in files:
        if name in installed.foreign:
            raise apply.ApplyError(
                f"{directory / name} is there and was not generated by linod-generate-units",
                "move it away; what you want to add belongs into a drop-in",
            )


def _verified(
    found: list[Source],
    todo: plan.Plan,
    result: wanted.Wanted,
    installed: plan.Installed,
    names: list[str] | None,
    directory: Path,
    per_user: bool,
) -> plan.Plan:
    """The plan without the rules whose units systemd does not take; these are added to the refused."""
    while todo.write:
        complaints = systemd.verify(todo.write, directory, per_user=per_user)
        if complaints is None:
            _complain("not verified, systemd-analyze is not installed")
        if not complaints:
            break
        dropped = _drop_blamed(found, result, complaints, per_user)
        if not dropped:
            raise systemd.SystemdError(f"systemd-analyze verify says: {complaints[0]}", "nothing was written")
        todo = plan.compute(result.files, installed, names)
    return todo


def _drop_blamed(found: list[Source], result: wanted.Wanted, complaints: list[str], per_user: bool) -> bool:
    dropped = False
    for source in found:
        for complaint in complaints if source.rules else []:
            assert source.rules is not None  # noqa: S101
            rule = wanted.blamed(source.site, source.rules, complaint)
            if rule is None:
                continue
            prefix = source.site.unit_prefix
            names = [unitnames.timer(prefix, rule.name), unitnames.service(prefix, rule.name)]
            if any([result.files.pop(name, None) for name in names]):  # a list, as all of them are to go
                dropped = True
                result.refused.append(
                    RefusedRule(
                        f"rule {rule.name!r}: systemd does not take its unit ({complaint})",
                        "correct the rule",
                    )
                )
        if dropped and source.rules:
            timers = render.live_timers(source.site, source.rules, result.files, result.now)
            result.files[render.drop_in_name(source.site)] = render.drop_in(
                source.site, timers, per_user=per_user
            )
    return dropped


if __name__ == "__main__":
    sys.exit(main())
