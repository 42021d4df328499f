"""sandbox = "none": no unit of the site needs a mount; what needs none stays."""

from __future__ import annotations

import dataclasses
import re

import pytest

from linod_systemd.units import render
from tests.unit.units.test_render import SITE, units

# systemd.exec(5): each of these gives a service a mount namespace.
MOUNTS = re.compile(
    r"^(Private(Tmp|Devices|Network|Users)|Protect(System|Home|Kernel\w+|ControlGroups|Clock|Proc|Hostname)"
    r"|ReadWritePaths|TemporaryFileSystem|DynamicUser)=",
    re.MULTILINE,
)


@pytest.mark.parametrize("sandbox", ["full", "none"])
def test_mounts(sandbox: str) -> None:
    site = dataclasses.replace(SITE, sandbox=sandbox)
    texts = render.site_units(site, "/opt/linod/bin/python", per_user=False)
    services = {name: text for name, text in texts.items() if name.endswith(".service")}
    with_mounts = {name for name, text in services.items() if MOUNTS.search(text)}
    assert with_mounts == (set(services) if sandbox == "full" else set())
    assert all("NoNewPrivileges=yes" in text and "SystemCallFilter=" in text for text in services.values())


def test_the_golden_unit_has_them() -> None:
    assert MOUNTS.search(units()["linod-shop-check\\x20data.service"])
