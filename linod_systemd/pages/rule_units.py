"""Show the units of a rule with their drop-ins, as systemd holds them."""

from __future__ import annotations

from linod_systemd.common import unit_names
from linod_systemd.common.text import visible
from linod_systemd.errors import LinodError
from linod_systemd.store import rule_store
from linod_systemd.systemd import systemctl


def text(rule: str) -> str:
    """The files of its timer and its service, one after the other; or why they are not shown."""
    site = rule_store.current().site
    if not systemctl.is_running():
        return "systemd does not run here."
    units = [unit_names.timer(site.unit_prefix, rule), unit_names.service(site.unit_prefix, rule)]
    try:
        shown = systemctl.systemctl("cat", "--", *units, per_user=not site.configured, check=False)
    except LinodError as error:
        return visible(str(error))
    return visible(shown) or f"systemd knows none of {' and '.join(units)}."
