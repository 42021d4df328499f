"""Judge how systemd holds the units of a site; each trouble has its remedy. Knows no database, no Django.

Every judgement of a unit is made here, for `linod status`, `linod doctor`, the admin and the supervisor.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from linod_systemd.common import unit_names
from linod_systemd.common.unit_names import TARGET
from linod_systemd.sites import config
from linod_systemd.sites.config import Site
from linod_systemd.systemd import systemctl

PROPERTIES = ("LoadState", "LoadError", "ActiveState", "SubState")
REFUSED = ("bad-setting", "error")  # a LoadState of a unit whose file systemd does not take
PENDING_SECONDS = 60.0  # in which a request is taken, and its units are written


@dataclass(frozen=True)
class Trouble:
    """A trouble that somebody should look at, and the line to type; ``rule`` is empty for one of the site."""

    what: str
    remedy: str
    rule: str = ""

    def __str__(self) -> str:
        place = f"{self.rule}: " if self.rule else ""
        return f"{place}{self.what}: {self.remedy}"


def of_site(site: Site, due: Mapping[str, datetime] | None = None) -> list[Trouble]:
    """Return the troubles of a site's units; none where systemd does not run, or runs none of its units.

    :param due: the rules that are live, each with the next instant at which it is due. None where nobody
        could ask the site: its timers are then those that linod.target upholds.
    :raises ProgramError: where systemd does not answer in time.
    """
    per_user = not site.configured
    if not systemctl.is_running() or (per_user and not os.environ.get("XDG_RUNTIME_DIR")):
        return []
    supervisor = unit_names.supervisor(site.name)
    shown = systemctl.properties_of([TARGET, supervisor], PROPERTIES, per_user=per_user)
    target = shown.get(TARGET, {})
    if target.get("LoadState") == "not-found" and per_user:
        return []  # its rules are run by another way, as by `linod simulate`
    if (trouble := _of_target(site, target)) is not None:
        return [trouble]
    troubles = [*_of_supervisor(site, supervisor, shown.get(supervisor, {})), *_of_requests(site)]
    if due is None or is_up_to_date(site):  # else the units are about to be what the rules say
        troubles += _of_timers(site, due)
    return troubles


def _of_target(site: Site, target: Mapping[str, str]) -> Trouble | None:
    if target.get("ActiveState") == "active":
        return None
    if target.get("LoadState") != "loaded":
        return Trouble(f"systemd knows no {TARGET}, so that no rule has a timer", generate(site))
    remedy = f"{typed_systemctl(site)} enable --now {TARGET}"
    return Trouble(f"{TARGET} is stopped, so that no rule is run by its timer", remedy)


def _of_supervisor(site: Site, unit: str, shown: Mapping[str, str]) -> Iterator[Trouble]:
    if not site.supervisor:
        return
    if shown.get("LoadState") in REFUSED:
        yield _refused(site, unit, shown)
    elif not _serves(shown):
        state = shown.get("SubState") or "unknown"
        yield Trouble(f"its supervisor does not run ({unit} is {state})", f"{journalctl(site)} {unit}")


def _serves(shown: Mapping[str, str]) -> bool:
    """Whether a supervisor serves, or is about to for the first time."""
    state = shown.get("ActiveState")
    return state in ("active", "reloading") or (state == "activating" and shown.get("SubState") == "start")


def _of_requests(site: Site) -> Iterator[Trouble]:
    """Tell of a request that root's side has not taken for a while: the units differ from the rules."""
    if (seconds := _oldest_request(site)) > PENDING_SECONDS:
        unit = unit_names.generate(site.name)
        what = f"a change of its rules has waited for {seconds:.0f} s, and has not reached systemd"
        yield Trouble(what, f"{journalctl(site)} {unit}")


def _oldest_request(site: Site) -> float:
    """Its age in seconds; 0 where there is none, or this user may not see it."""
    try:
        times = [entry.stat(follow_symlinks=False).st_mtime for entry in os.scandir(site.request_directory)]
    except OSError:
        return 0.0
    return max(0.0, time.time() - min(times)) if times else 0.0


def _of_timers(site: Site, due: Mapping[str, datetime] | None) -> Iterator[Trouble]:
    """Each timer that should ring is active and has a next elapse; systemd takes it, and its service."""
    rule_of = {unit_names.timer(site.unit_prefix, name): name for name in due or ()}
    if due is None:
        rule_of = dict.fromkeys(upheld_timers(site), "")
    timers = list(rule_of)
    services = [f"{timer.removesuffix('.timer')}.service" for timer in timers]
    shown = systemctl.properties_of([*timers, *services], PROPERTIES, per_user=not site.configured)
    for timer, service in zip(timers, services, strict=True):
        rule, state = rule_of[timer], shown.get(timer, {})
        refused = [unit for unit in (timer, service) if shown.get(unit, {}).get("LoadState") in REFUSED]
        if refused:
            yield _refused(site, refused[0], shown[refused[0]], rule)
        elif state.get("LoadState") != "loaded":
            yield Trouble(f"systemd knows no unit {timer}", generate(site), rule)
        elif state.get("ActiveState") != "active":
            remedy = f"{typed_systemctl(site)} start {shlex.quote(timer)}"
            yield Trouble(f"{timer} is {state.get('ActiveState')}, and does not ring", remedy, rule)
        elif state.get("SubState") == "elapsed" and due is not None:
            what = f"{timer} has no next elapse, though the rule is due at {due[rule]:%Y-%m-%d %H:%M:%S} UTC"
            yield Trouble(what, generate(site), rule)


def is_up_to_date(site: Site) -> bool:
    """Whether no change of its rules is on its way to systemd, as far as this user may see."""
    if _oldest_request(site) > 0:
        return False
    unit = unit_names.generate(site.name)
    shown = systemctl.properties(unit, ["ActiveState"], per_user=not site.configured)
    return shown.get("ActiveState") != "activating"


def _refused(site: Site, unit: str, shown: Mapping[str, str], rule: str = "") -> Trouble:
    said = shown.get("LoadError", "").strip() or shown.get("LoadState", "")
    return Trouble(
        f"systemd refuses {unit} ({said})", f"{typed_systemctl(site)} status {shlex.quote(unit)}", rule
    )


def upheld_timers(site: Site) -> list[str]:
    """The timers of a site that linod.target keeps active."""
    upheld = (
        systemctl.properties(TARGET, ["Upholds"], per_user=not site.configured).get("Upholds", "").split()
    )
    timers = [unit for unit in upheld if re.fullmatch(f"{re.escape(site.unit_prefix)}.*\\.timer", unit)]
    others = [one for one in config.configured_sites() if one.name != site.name]
    return [unit for unit in timers if not any(_is_closer(unit, site, other) for other in others)]


def _is_closer(unit: str, site: Site, other: Site) -> bool:
    """Whether a unit belongs to another site, whose prefix begins with that of this one."""
    return len(other.unit_prefix) > len(site.unit_prefix) and unit.startswith(other.unit_prefix)


def typed_systemctl(site: Site) -> str:
    """``systemctl`` as it is typed for the manager that holds the units of the site."""
    return "systemctl" if site.configured else "systemctl --user"


def journalctl(site: Site) -> str:
    """Return the beginning of the command that shows the journal of a unit of this site."""
    return "journalctl -u" if site.configured else "journalctl --user-unit"


def generate(site: Site) -> str:
    """The line that brings the units of a site up to date."""
    words = f" --site {site.name}" if site.configured else " --user"
    return f"linod-generate-units{words} && {typed_systemctl(site)} daemon-reload"
