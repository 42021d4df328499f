"""Each Django that is supported upstream, with the pythons of Debian: 3.11, 3.13, 3.14 (it has no 3.12)."""

from __future__ import annotations

import pytest

from tests.support import elsewhere
from tests.support.machine import Workshop

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    ("suite", "django"),
    [
        ("bookworm", "5.2"),
        ("trixie", "5.2"),
        ("trixie", "6.0"),
        ("trixie", "6.1"),
        ("forky", "5.2"),
        ("forky", "6.0"),
        ("forky", "6.1"),
    ],
)
def test_unit_and_integration(workshop: Workshop, suite: str, django: str) -> None:
    assert elsewhere.run(workshop, suite, django) == 0
