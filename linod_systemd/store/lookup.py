"""Find a rule by its name: in the store or, while the database is away, in rules.json."""

from __future__ import annotations

from linod_systemd.rules import rules_file
from linod_systemd.rules.nearest import no_such_rule
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.rule_store import StoredRule


def find_rule(name: str) -> StoredRule:
    """The rule of this name in the site's store.

    :raises NoSuchRule: with the nearest names.
    """
    source = rule_store.current()
    rule = source.rule(name)
    if rule is None:
        raise no_such_rule(name, [other.name for other in source.rules()], source.site.rule_commands())
    return rule


def find_exported(site: config.Site, name: str) -> StoredRule | None:
    """Return a rule as rules.json has it, or None: it is not in there.

    :raises RulesFileError: where rules.json cannot be used.
    """
    if not site.rules_file.exists():
        return None
    rules = rules_file.read(site.rules_file)
    rule = rules.get(name)
    if rule is None:
        return None
    return StoredRule(
        rule=rule, site=site.name, timezone=rules.timezone, find=rules.get, label=name, is_stored=False
    )
