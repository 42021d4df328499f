"""Control characters are shown, not obeyed; and which units a site is told of."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linod_systemd.common import unit_names
from linod_systemd.common.text import escape_controls, visible, visible_line


def test_controls_are_shown() -> None:
    assert visible("a\x1b[31m\x9b1m\r\x7f\0\u202e\u2066b\tc\nd") == (
        "a\\x1b[31m\\x9b1m\\x0d\\x7f\\x00\\x202e\\x2066b\tc\nd"
    )
    assert visible_line("a\nb\tc") == "a\\nb\\tc"
    assert visible("é 日本 שלום 👩‍💻") == "é 日本 שלום 👩‍💻"


@given(st.text(st.characters()))
def test_no_control_is_left_and_json_loses_nothing(text: str) -> None:
    shown = visible_line(text)
    assert not [sign for sign in shown if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [
        sign for sign in shown if unicodedata.bidirectional(sign) in ("LRE", "RLE", "LRO", "RLO", "PDF")
    ]
    assert not [sign for sign in shown if unicodedata.bidirectional(sign) in ("LRI", "RLI", "FSI", "PDI")]
    assert json.loads(escape_controls(json.dumps([text], ensure_ascii=False))) == [text]


@pytest.mark.parametrize(
    ("site", "unit", "told"),
    [
        ("shop", "linod-shop-ticks.service", True),
        ("shop", "linod-shop-a\\x2db.service", True),
        ("shop", "linod-supervisor@shop.service", True),
        ("shop", "linod-failure-shop@ticks.service", True),
        ("shop", "linod-ticks.service", False),
        ("shop", "linod-shop_b-ticks.service", False),
        ("shop", "ssh.service", False),
        ("default", "linod-ticks.service", True),
        ("default", "linod-shop-ticks.service", False),
        ("default", "linod-supervisor@shop.service", False),
        ("default", "linod-failure-shop@x.service", False),
    ],
)
def test_a_site_is_told_of_its_own_units(site: str, unit: str, told: bool) -> None:
    assert bool(unit_names.services_of(site).fullmatch(unit)) is told
