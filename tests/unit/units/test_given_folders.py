"""No folder that PID 1 makes, gives away, removes or looks into lies below one of a site's."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from linod_systemd.rules.rule import Rule, RuleSet
from linod_systemd.sites.config import Site
from linod_systemd.units import compute_timers, render
from tests.unit.units.test_render import SITE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BASES = {
    "RuntimeDirectory": "/run",
    "StateDirectory": "/var/lib",
    "LogsDirectory": "/var/log",
    "CacheDirectory": "/var/cache",
    "ConfigurationDirectory": "/etc",
}
# PID 1 opens, makes or removes these itself, as root.
LOOKED_AT = (
    "PIDFile",
    "ListenStream",
    "ListenFIFO",
    "DirectoryNotEmpty",
    "PathExists",
    "PathChanged",
    "Where",
)
SHOP = dataclasses.replace(SITE, python="/srv/shop/env/bin/python")
OWN: list[dict[str, Any]] = [
    {},
    {"log_directory": Path("/srv/shop/log"), "log_is_ours": False, "writable": ("/srv/shop/log",)},
    {"environment_file": "/srv/shop/env", "environment_by_root": False},
]
SITES = [
    dataclasses.replace(SHOP, name=name, preload=preload, supervisor=supervisor, **own)
    for name, preload, supervisor, own in itertools.product(
        ("shop", "default"), (True, False), (True, False), OWN
    )
]
RULES = [
    Rule(name=name, start_date=date(2026, 1, 31)) for name in ("check data", "a/b", "../x", "%n", "linod")
]


def units(site: Site) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each unit of a site → its assignments."""
    texts = render.site_units(site, "/opt/linod/bin/python", per_user=False)
    texts |= render.generate_timer(site, RuleSet(site.name, "UTC", tuple(RULES), ()), NOW)
    texts |= render.shared_units(per_user=False)
    for rule, client in itertools.product(RULES, ("/opt/linod/ask.py", None)):
        timing = compute_timers.timing(rule.recurrence("UTC"), NOW)
        texts |= render.job_units(site, rule, timing, known=(), per_user=False, client=client)
    for name, text in texts.items():
        lines = [line.partition("=") for line in text.splitlines() if line[:1].isalpha() and "=" in line]
        yield name, [(key, value) for key, _, value in lines]


def given(assignments: list[tuple[str, str]]) -> set[PurePosixPath]:
    """The folders that PID 1 makes for a unit and gives to its user."""
    if not any(key in ("User", "DynamicUser") for key, _ in assignments):
        return set()
    return {
        PurePosixPath(BASES[key], name)
        for key, value in assignments
        if key in BASES
        for name in value.split()
    }


def test_every_folder_lies_directly_below_one_of_roots() -> None:
    for site in SITES:
        found = dict(units(site))
        of_site = {PurePosixPath(site.directory), *map(PurePosixPath, site.writable)}
        folders = set().union(*(given(lines) for lines in found.values())) | of_site
        assert PurePosixPath("/run/linod", site.name, "shared") in folders
        for name, lines in found.items():
            looked_at = {PurePosixPath(value) for key, value in lines if key in LOOKED_AT}
            for folder in given(lines) | looked_at:
                assert not folders & set(folder.parents), f"{name}: {folder}"


def test_no_condition_leads_below_a_folder_of_a_site() -> None:
    """A condition tells by the start of its unit whether a path exists: by a link, any path of root's."""
    for site in SITES:
        for name, lines in units(site):
            paths = [(key, value) for key, value in lines if key.startswith(("ConditionPath", "AssertPath"))]
            assert paths == [], name
            for key, value in lines:
                if key.startswith(("Condition", "Assert")):
                    kind = {
                        "ConditionDirectoryNotEmpty": "!%t/linod/",
                        "ConditionFileIsExecutable": "/usr/sbin/",
                    }
                    assert value.startswith(kind[key]), f"{name}: {key}={value}"


def test_what_pid_1_looks_for_is_the_folder_of_the_run() -> None:
    found = dict(units(SHOP))
    [looked] = [value for key, value in found["linod-ended-shop@.service"] if key.startswith("Condition")]
    assert looked == "!%t/linod/shop/runs/linod-shop-%i"
    job = found["linod-shop-check\\x20data.service"]
    assert ("RuntimeDirectory", "linod/shop/runs/%N") in job


def test_every_process_of_a_site_is_in_its_slice() -> None:
    for site in SITES:
        for name, lines in units(site):
            if ("User", site.user) in lines:
                assert ("Slice", f"linod-{site.name}.slice") in lines, name
