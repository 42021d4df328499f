"""A rule as rules.json knows it, for a job whose database is away."""

from __future__ import annotations

from linod_systemd import conf, desired
from linod_systemd.store import StoredRule


def find_rule(site: conf.Site, name: str) -> StoredRule | None:
    """What the site last exported of a rule, or None: it is not in there.

    :raises RulesFileError: where rules.json cannot be used.
    """
    if not site.rules_file.exists():
        return None
    rules = desired.read(site.rules_file)
    rule = rules.get(name)
    if rule is None:
        return None
    return StoredRule(
        rule=rule, site=site.name, timezone=rules.timezone, find=rules.get, label=name, is_stored=False
    )
