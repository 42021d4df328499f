"""Root's pip takes exactly the versions and hashes of requirements.txt, and these fit pyproject.toml."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.machine import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
PINNED = re.findall(
    r"^([a-z0-9-]+)==(\S+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    (CHECKOUT / "linod_systemd/requirements.txt").read_text(),
    re.MULTILINE,
)


def test_every_line_is_pinned_and_hashed() -> None:
    text = (CHECKOUT / "linod_systemd/requirements.txt").read_text()
    assert len(PINNED) == len(re.findall(r"^\S", text, re.MULTILINE)) > 20


def test_it_has_what_the_project_needs() -> None:
    versions = {name: version for name, version, _ in PINNED}
    wanted = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["build"]
    for requirement in map(Requirement, wanted):
        assert versions[canonicalize_name(requirement.name)] in requirement.specifier
