"""The error for a name that no rule has, with the nearest names that there are. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from linod_systemd.errors import NoSuchRule

MOST_NAMES = 12


@dataclass(frozen=True)
class RuleCommands:
    """The commands, as a person types them, that list the rules of a site and that make them."""

    listing: str
    making: str


def no_such_rule(name: str, names: Sequence[str], looked_into: RuleCommands | Path) -> NoSuchRule:
    """Return the error for a name that none of the rules ``names`` has.

    Example: ``no rule is named 'chekdata': did you mean checkdata?``

    :param looked_into: the commands of the site that was asked, or the rules.json that was read.
    """
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    where = ""
    if isinstance(looked_into, Path):
        where = f" in {looked_into}"
        more = ", …" if len(names) > MOST_NAMES else ""
        remedy = f"it has {', '.join(names[:MOST_NAMES])}{more}" if names else "it has no rules: linod export"
    else:
        made = f"there are no rules yet: {looked_into.making}"
        remedy = f"{looked_into.listing} lists the rules" if names else made
    if near:
        remedy = f"did you mean {' or '.join(near)}?"
    return NoSuchRule(f"no rule is named {name!r}{where}", remedy)
