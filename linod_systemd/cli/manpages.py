"""The manual pages, made from the parsers' own help: ``python -m linod_systemd.cli.manpages DIRECTORY``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from argparse_manpage.manpage import Manpage

from linod_systemd import run
from linod_systemd.cli import parser
from linod_systemd.units import generate

SECTION = "8"  # what administrators type
PARSERS: dict[str, tuple[Callable[[], argparse.ArgumentParser], str]] = {
    "linod": (lambda: parser.parser("linod"), "the background tasks of a site, run by systemd"),
    "linod-run": (run.parser, "run one rule of a site now"),
    "linod-generate-units": (generate.parser, "turn the rules of sites into systemd units"),
}


def page(command: str) -> str:
    """The manual page of a command, in the words of man(7)."""
    make, what = PARSERS[command]
    made = Manpage(make(), format="single-commands-section")
    made.description, made.section, made.manual = what, SECTION, "linod-systemd"
    made.source = f"linod-systemd {version('linod-systemd')}"
    return str(made)


def write(directory: Path) -> None:
    """Write ``man8/COMMAND.8`` for each command.

    :raises OSError: where that is not possible.
    """
    (directory / "man8").mkdir(parents=True, exist_ok=True)
    for command in PARSERS:
        (directory / "man8" / f"{command}.8").write_text(page(command), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
