"""A rule as rules.json knows it, for a job whose database is away."""

from __future__ import annotations

import dataclasses

from linod_systemd import conf, desired
from linod_systemd.models import JobRule


def find_rule(site: conf.Site, name: str) -> JobRule | None:
    """An unsaved JobRule (``pk`` is None) with what the site last exported, or None: not in there.

    :raises RulesFileError: where rules.json cannot be used.
    """
    if not site.rules_file.exists():
        return None
    rules = desired.read(site.rules_file)
    rule = rules.get(name)
    if rule is None:
        return None
    values = {field.name: getattr(rule, field.name) for field in dataclasses.fields(rule)}
    ticked = values.pop("weekdays")
    del values["paused_until"]  # no field of the row: see Pause
    row = JobRule(
        **{
            **values,
            **dict.fromkeys(ticked, True),
            "timezone": rule.timezone or "",
            "run_after": list(rule.run_after),
        }
    )
    row.others = rules
    return row
