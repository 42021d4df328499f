"""Do what sites ask for: start units of rules, and end invocations of them. Runs as root, and trusts nothing.

A site reaches its own units alone: their names are made here, of its prefix and the escaped name of a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from linod_systemd.common import unit_names
from linod_systemd.errors import LinodError
from linod_systemd.sites.requests import Taken
from linod_systemd.sites.site import Site
from linod_systemd.systemd import systemctl
from linod_systemd.units import read_as_user


@dataclass
class Asked:
    """The units to be started, and those to be stopped with the invocation that is meant.

    ``is_stuck``: something is there that cannot be taken; ``complain`` is told of each trouble.
    """

    complain: Callable[[object], None]
    starts: list[str] = field(default_factory=list)
    stops: list[tuple[str, str]] = field(default_factory=list)
    is_stuck: bool = False

    @classmethod
    def of(cls, sites: Iterable[Site], complain: Callable[[object], None]) -> Asked:
        """Take the requests of these sites."""
        asked = cls(complain)
        for site in sites:
            try:
                taken = read_as_user.take(site)
            except LinodError as error:
                taken = Taken(stuck=[str(error)])
            asked.starts += [unit_names.service(site.unit_prefix, rule) for rule in taken.run]
            asked.stops += [
                (unit_names.service(site.unit_prefix, rule), invocation) for invocation, rule in taken.stop
            ]
            for trouble in taken.troubles:
                complain(f"{site.request_directory}: {trouble}: it was removed")
            for trouble in taken.stuck:
                complain(f"{site.request_directory}: {trouble}: remove it, or what is asked for waits")
                asked.is_stuck = True
        return asked

    def carry_out(self, *, per_user: bool) -> None:
        """Stop and start; what systemd refuses is told, and the others go on."""
        for unit, invocation in self.stops:
            shown = systemctl.properties(unit, ["InvocationID"], per_user=per_user)
            if shown.get("InvocationID") == invocation:
                self._order("stop", unit, per_user)
            else:
                print(f"{unit} was to be stopped, and its invocation {invocation} has ended")
        for unit in self.starts:
            self._order("start", unit, per_user)

    def _order(self, verb: str, unit: str, per_user: bool) -> None:
        try:
            systemctl.systemctl(verb, "--no-block", "--", unit, per_user=per_user)
            print(f"{verb} {unit}")
        except LinodError as error:
            self.complain(error)
