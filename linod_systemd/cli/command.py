"""CliCommand: each command of ``linod`` says what it needs, so that ``main`` knows none of them by name."""

from __future__ import annotations

import argparse
import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from linod_systemd.sites.config import Site


class Needs(enum.Enum):
    """The things that have to be there before a command runs."""

    NOTHING = "nothing"  # it runs as whoever types it
    SITE = "a site"  # in a process of the site's user
    LOADED_SITE = "a loaded site"  # there, with Django set up


@dataclass(frozen=True)
class Call:
    """A command as it was typed, and the site that it is for."""

    options: argparse.Namespace
    found: Site | None = None

    @property
    def site(self) -> Site:
        """The site of a command that needs one."""
        assert self.found is not None  # noqa: S101
        return self.found


class CliCommand(ABC):
    """One command. Its module imports nothing that needs Django before :meth:`run`.

    The parser has all commands, also where no site is loaded.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    needs: ClassVar[Needs] = Needs.LOADED_SITE
    changes: ClassVar[bool] = False  # something of the site: where there are several, one has to be named
    is_long: ClassVar[bool] = False  # it may run for days, and print much
    is_interactive: ClassVar[bool] = False  # it may want a terminal
    has_help: ClassVar[bool] = True  # it takes --help
    of_host: ClassVar[bool] = False  # `manage.py linod` does not have it

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:  # noqa: B027 - most have none
        """Add its own arguments to its parser."""

    def needed(self, options: argparse.Namespace) -> Needs:
        """Return what it needs as it was typed, such as nothing for ``linod next RULE --rules FILE``."""
        return self.needs

    @abstractmethod
    def run(self, call: Call) -> int:
        """Do it; the exit code.

        :raises LinodError: what cannot be done.
        """
