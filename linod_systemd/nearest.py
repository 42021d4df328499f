"""The rule that a person named, or the names that may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from linod_systemd import conf, store
from linod_systemd.errors import NoSuchRule
from linod_systemd.store import StoredRule

MOST_NAMES = 12


def find_rule(name: str) -> StoredRule:
    """The rule of this name in the site's store.

    :raises NoSuchRule: with the nearest names.
    """
    rule = store.current().rule(name)
    if rule is None:
        raise no_such_rule(name, [other.name for other in store.current().rules()])
    return rule


def no_such_rule(name: str, names: Sequence[str], file: str | None = None) -> NoSuchRule:
    """The error for a name that none of a site's rules has, with the nearest that there are.

    :param file: the rules.json that was looked into, in place of the site.
    """
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        remedy = f"did you mean {' or '.join(near)}?"
    elif file is None:
        site = conf.this_site().name
        status, setup = conf.command(site, "status"), conf.command(site, "setup")
        remedy = f"{status} lists the rules" if names else f"there are no rules yet: {setup}"
    else:
        more = ", …" if len(names) > MOST_NAMES else ""
        remedy = f"it has {', '.join(names[:MOST_NAMES])}{more}" if names else "it has no rules: linod export"
    return NoSuchRule(f"no rule is named {name!r}{f' in {file}' if file else ''}", remedy)
