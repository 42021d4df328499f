"""SiteUnits: every file that should be in the unit directory for one site. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from linod_systemd.common import unit_names
from linod_systemd.errors import RefusedRule
from linod_systemd.rules.rule import Rule
from linod_systemd.sites.config import Site
from linod_systemd.units import render
from linod_systemd.units.compute_timers import Computed

UNIT = re.compile(r"linod-[A-Za-z0-9:_.\\-]+\.(?:timer|service)")


@dataclass
class SiteUnits:
    """The files of one site (name → text): its own, and those of each rule."""

    site: Site
    now: datetime
    per_user: bool
    own: dict[str, str]
    of_rules: dict[Rule, dict[str, str]] = field(default_factory=dict)
    refused: list[RefusedRule] = field(default_factory=list)
    relisted: set[str] = field(default_factory=set)

    @property
    def files(self) -> dict[str, str]:
        """All of them, with the drop-in that upholds the live timers."""
        live = [
            unit_names.timer(self.site.unit_prefix, rule.name)
            for rule in self.of_rules
            if rule.is_live(self.now)
        ]
        units = {name: text for texts in self.of_rules.values() for name, text in texts.items()}
        timers = [name for name in live if name in units]
        drop_in = render.drop_in(self.site, timers, per_user=self.per_user)
        return {**self.own, **units, render.drop_in_name(self.site): drop_in}

    def drop_blamed(self, complaint: str) -> bool:
        """Leave out the rule whose unit a line of systemd-analyze names first; whether there is one."""
        timer = f"{unit_named(complaint).rpartition('.')[0]}.timer"
        for rule in self.of_rules:
            if unit_names.timer(self.site.unit_prefix, rule.name) == timer:
                del self.of_rules[rule]
                said = f"rule {rule.name!r}: systemd does not take its unit ({complaint:.500})"
                self.refused.append(RefusedRule(said, "correct the rule"))
                return True
        return False


def unit_named(complaint: str) -> str:
    """Return the unit of a rule that a line of systemd-analyze names first; empty: it names none."""
    found = UNIT.search(complaint)
    return found[0] if found else ""


def of_site(
    site: Site,
    computed: Computed | None,
    *,
    now: datetime,
    generator: str,
    client: str | None,
    per_user: bool,
) -> SiteUnits:
    """The files of one site. A rule that goes beyond the site's budgets (SITE.toml) is refused by name.

    :param computed: None where the site has not exported any rules yet.
    :param generator: the python of root's side.
    :param client: the program by which a unit has its job forked by the supervisor; None: jobs are cold.
    """
    own = render.site_units(site, generator, per_user=per_user)
    own |= render.generate_timer(site, computed.rules if computed else None, now)
    units = SiteUnits(site, now, per_user, own, relisted={unit_names.generate_timer(site.name)})
    if computed is None:
        return units
    units.refused.extend(computed.refused)
    known = {rule.name for rule in computed.rules.rules}
    lines = 0
    for number, rule in enumerate(computed.rules.rules, 1):
        timing = computed.timings.get(rule.name)
        if timing is None:
            continue  # it is among the refused
        lines += len(timing.lines) + len(known & set(rule.run_after))
        try:
            _check_budget(site, number, lines)
            units.of_rules[rule] = render.job_units(
                site, rule, timing, known=known, per_user=per_user, client=client
            )
        except ValueError as error:
            lines -= len(timing.lines) + len(known & set(rule.run_after))
            units.refused.append(RefusedRule(f"rule {rule.name!r}: {error}", "correct the rule"))
            continue
        if timing.relisted:
            units.relisted.add(unit_names.timer(site.unit_prefix, rule.name))
    return units


def _check_budget(site: Site, rules: int, lines: int) -> None:
    """:raises ValueError: for a rule with which the site would have more than its budget."""
    if rules > site.rules_max:
        raise ValueError(f"it is one more than the {site.rules_max} of the site (rules_max in SITE.toml)")
    if lines > site.unit_lines_max:
        raise ValueError(
            f"with it, the timers of the site have more than {site.unit_lines_max} lines"
            " (unit_lines_max in SITE.toml)"
        )
