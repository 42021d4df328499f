"""Names are escaped as systemd-escape does it, so that no two are one."""

from __future__ import annotations

import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from linod_systemd.common import unit_names

SIGNS = st.characters(blacklist_characters="\0", codec="utf-8")
NAMES = st.text(SIGNS, min_size=1, max_size=40).filter(lambda name: name[0] not in "-." and "/" not in name)


@settings(max_examples=20, deadline=None)
@given(st.lists(NAMES, min_size=20, max_size=20))
def test_escape_is_systemds(names: list[str]) -> None:
    done = subprocess.run(["systemd-escape", "--", *names], capture_output=True, text=True, check=True)
    assert [unit_names.escape(name) for name in names] == done.stdout.rstrip("\n").split(" ")


def test_slash_is_no_dash() -> None:
    assert unit_names.service("linod-", "shop/report") == "linod-shop\\x2freport.service"
    assert unit_names.service("linod-shop-", "report") == "linod-shop-report.service"
    assert unit_names.escape("../../x") == "..\\x2f..\\x2fx"


def test_names_of_units() -> None:
    assert unit_names.timer("linod-", "check data") == "linod-check\\x20data.timer"
    assert unit_names.service("linod-shop-", "a-b") == "linod-shop-a\\x2db.service"
    assert unit_names.supervisor("shop") == "linod-supervisor@shop.service"
