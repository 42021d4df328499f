"""The parser of all commands of ``linod``."""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

from linod_systemd.common.argument_types import count, duration, instant, moment, month


def parser(program: str, *, with_site: bool = True) -> argparse.ArgumentParser:
    """The parser of all commands."""
    result = argparse.ArgumentParser(
        prog=program, description="The background tasks of a site, run by systemd."
    )
    if with_site:
        result.add_argument("--version", action="version", version=f"linod {version('linod-systemd')}")
        result.add_argument("--site", help="the site (default: the only one, or “default”)")
    known = add_commands(result)
    if with_site:
        _add_installers(known)
    return result


def add_commands(result: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """Add the subcommands to a parser (its class is kept, as Django's differs)."""
    known = result.add_subparsers(dest="command", metavar="COMMAND", parser_class=argparse.ArgumentParser)
    _add_lists(known)
    _add_actions(known)
    _add_services(known)
    return known


def _add_lists(known: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    status = known.add_parser("status", help="list the rules with their next time")
    status.add_argument("--json", action="store_true", help="print JSON")
    status.add_argument("--lines", action="store_true", help="one line for each rule, as manage.py linod has")
    status.add_argument("-v", "--verbose", action="store_true", help="also what the supervisor costs")
    following = known.add_parser("next", help="print when a rule is due, one ISO 8601 instant a line, in UTC")
    following.add_argument("rule")
    following.add_argument("-n", type=count, default=1, metavar="N", help="how many (default 1)")
    following.add_argument(
        "--from", dest="from_time", type=instant, metavar="TIME", help="after this instant (default: now)"
    )
    explain = known.add_parser("explain", help="say in one English sentence when and how a rule is run")
    explain.add_argument("rule")
    page = known.add_parser("calendar", help="what will run when: all rules on one page, for a week")
    page.add_argument(
        "--month", nargs="?", const=True, type=month, metavar="YYYY-MM", help="for a month (this one)"
    )
    for asking in (following, explain, page):
        asking.add_argument("--rules", type=Path, metavar="FILE", help="read a rules.json; needs no site")
        asking.add_argument("--json", action="store_true", help="print JSON")
    jobs = known.add_parser("jobs", help="list what ran, latest first")
    jobs.add_argument("rule", nargs="?")
    jobs.add_argument("-n", type=count, default=20, metavar="N", help="how many (default 20)")
    jobs.add_argument(
        "--status", help="only those running, success, failed, timeout, killed, lost or skipped"
    )
    jobs.add_argument("--trigger", help="only those started by timer, catch_up, manual or retry")
    jobs.add_argument(
        "--since", type=moment, metavar="TIME", help="only those from 2026-11-24T04:00 on (site time)"
    )
    jobs.add_argument("--json", action="store_true", help="print JSON; with --follow an object a line")
    jobs.add_argument(
        "-f", "--follow", action="store_true", help="go on, with each job as it ends, until Ctrl-C"
    )
    jobs.add_argument("--export", action="store_true", help="print all, oldest first, as a line of JSON each")
    jobs.add_argument("-v", "--verbose", action="store_true", help="also whether warm, CPU time and memory")
    show = known.add_parser("show", help="show one job with its message")
    show.add_argument("job", type=int)
    show.add_argument("--json", action="store_true", help="print JSON")


def _add_actions(known: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    known.add_parser("setup", help="make rules for new procedures, drop those whose procedure is gone")
    known.add_parser("export", help="write rules.json anew")
    for name, what in (
        ("cancel", "stop a rule's timer"),
        ("enable", "start a cancelled rule's timer again"),
        ("take-code", "give a rule that was edited what its decorator says"),
    ):
        action = known.add_parser(name, help=what)
        action.add_argument("rule")
    run = known.add_parser("run", help="ask systemd to run a rule now; needs no root")
    run.add_argument("rule")
    pause = known.add_parser("pause", help="don't run a rule, or any, until a time; it ends by itself")
    pause.add_argument("rule", nargs="?", help="default: the whole site")
    end = pause.add_mutually_exclusive_group(required=True)
    end.add_argument("--until", type=moment, metavar="TIME", help="such as 2027-01-02T06:00 (site time)")
    end.add_argument(
        "--for", dest="duration", type=duration, metavar="TIME", help="such as 90s, 30m, 2h or 3d"
    )
    pause.add_argument("--note", default="", help="why")
    resume = known.add_parser("resume", help="end the pause of a rule, or of the whole site")
    resume.add_argument("rule", nargs="?", help="default: the whole site")
    simulate = known.add_parser(
        "simulate", help="run what is due in the foreground, without systemd, until Ctrl-C"
    )
    simulate.add_argument("--once", action="store_true", help="run what is due now, and end")
    known.add_parser("demo-data", help="fill the demo site with people, messages, events")
    manage = known.add_parser("manage", help="run a command of the site's manage.py", add_help=False)
    manage.add_argument("arguments", nargs=argparse.REMAINDER)


def _add_installers(known: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    install = known.add_parser("install-site", help="as root: have systemd run the tasks of a site")
    install.add_argument("name", help="lower-case letters, digits and _")
    install.add_argument("--settings", help="its DJANGO_SETTINGS_MODULE")
    install.add_argument("--user", help="who runs its jobs")
    install.add_argument("--directory", help="where its manage.py lies (default: here)")
    install.add_argument("--python", help="its python (default: that of env, venv or .venv in the directory)")
    install.add_argument("--environment-file", help="NAME=value lines for its processes")
    install.add_argument("--migrate", action="store_true", help="make its tables, without asking")
    install.add_argument(
        "--move-database",
        action="store_true",
        help="move an SQLite database that lies beside the code into the state folder, without asking",
    )
    doctor = known.add_parser("doctor", help="what is wrong with this host or site, each with the remedy")
    doctor.add_argument("name", nargs="?", metavar="SITE", help="default: every configured one")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    completion = known.add_parser("completion", help="print what makes a shell complete these commands")
    completion.add_argument("shell", choices=("bash", "zsh"))
    update = known.add_parser("update-sites", help="as root: bring the sites to root's linod-systemd")
    update.add_argument("--yes", action="store_true", help="without asking")
    uninstall = known.add_parser("uninstall-site", help="as root: undo that; the site stays as it is")
    uninstall.add_argument("name")


def _add_services(known: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    known.add_parser("supervise", help="what linod-supervisor@SITE.service runs")
    record = known.add_parser("record-end", help="what OnFailure= of a job starts")
    record.add_argument("rule")
