"""Sites and their rules → every file that should be in the unit directory."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from linod_systemd import oncalendar, render, unitnames
from linod_systemd.conf import Site
from linod_systemd.errors import RefusedRule
from linod_systemd.recurrence import RecurrenceSet
from linod_systemd.rule import Rule, RuleSet

SETTLED = timedelta(seconds=5)
RECKONED = re.compile(r"^# Reckoned from (\S+)\.$", re.MULTILINE)
UNIT = re.compile(r"(linod-[A-Za-z0-9:_.\\-]+)\.(?:timer|service)")


@dataclass
class Wanted:
    """File name → text, the rules that could not become units, and timers that were only listed anew.

    ``now``: when that was reckoned (aware).
    """

    now: datetime
    files: dict[str, str] = field(default_factory=dict)
    refused: list[RefusedRule] = field(default_factory=list)
    relisted: set[str] = field(default_factory=set)


def of_site(
    site: Site,
    rules: RuleSet | None,
    installed: Mapping[str, str],
    *,
    now: datetime,
    generator: str,
    client: str | None,
    per_user: bool,
) -> Wanted:
    """The files of one site.

    :param rules: None where the site has not exported any yet.
    :param installed: what is there now, whose lists of dates stay while they are long enough.
    :param generator: the python of root's side.
    :param client: what a unit runs to have its job forked by the supervisor; None: jobs are cold.
    """
    units = functools.partial(render.job_units, per_user=per_user, client=client)
    wanted = Wanted(now, render.site_units(site, generator, per_user=per_user))
    wanted.files |= render.generate_timer(site, rules, now)
    wanted.relisted.add(unitnames.generate_timer(site.name))
    if rules is None:
        wanted.files[render.drop_in_name(site)] = render.drop_in(site, [], per_user=per_user)
        return wanted
    wanted.refused.extend(rules.refused)
    for rule in rules.rules:
        try:
            wanted.files |= _of_rule(site, rule, rules.recurrence(rule), installed, wanted, now, units)
        except ValueError as error:
            wanted.refused.append(RefusedRule(f"rule {rule.name!r}: {error}", "correct the rule"))
    timers = render.live_timers(site, rules, wanted.files, now)
    wanted.files[render.drop_in_name(site)] = render.drop_in(site, timers, per_user=per_user)
    return wanted


def _of_rule(
    site: Site,
    rule: Rule,
    recurrence: RecurrenceSet,
    installed: Mapping[str, str],
    wanted: Wanted,
    now: datetime,
    units: Callable[[Site, Rule, RecurrenceSet, datetime], dict[str, str]],
) -> dict[str, str]:
    timer = unitnames.timer(site.unit_prefix, rule.name)
    before = reckoned_from(installed.get(timer, ""))
    if before is not None and before <= now and not oncalendar.is_over(recurrence, now):
        as_before = units(site, rule, recurrence, before)
        if as_before.get(timer) == installed[timer]:
            end = oncalendar.horizon_end(recurrence, before)
            if end is None or end - now > (end - before) / 2:
                return as_before
            wanted.relisted.add(timer)
            now -= SETTLED  # what has just come may not have elapsed yet, and elapses once only
    return units(site, rule, recurrence, now)


def reckoned_from(text: str) -> datetime | None:
    """From when on the dates of a timer were reckoned."""
    found = RECKONED.search(text)
    return datetime.fromisoformat(found[1]) if found else None


def blamed(site: Site, rules: RuleSet, complaint: str) -> Rule | None:
    """The rule whose unit a line of systemd-analyze names: the first name in it."""
    found = UNIT.search(complaint)
    names = {unitnames.timer(site.unit_prefix, rule.name): rule for rule in rules.rules}
    return names.get(f"{found[1]}.timer") if found else None
