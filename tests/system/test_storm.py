"""After a storm the ledger agrees: as many rows as starts, each ended as its fault was, every timer set.

``--storm 1000`` makes it so many runs (200), ``--storm-seed SEED`` repeats one; the seed is printed.
"""

from __future__ import annotations

import random

import pytest

from tests.support.machine import Machine
from tests.support.storm import Storm

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


def test_storm(shop: Machine, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]) -> None:
    # The journal outlives the power cuts; the group systemd-journal may read it.
    shop.sh("mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal")
    shop.sh("journalctl --flush")
    seed = pytestconfig.getoption("--storm-seed")
    seed = random.randrange(10**6) if seed is None else seed  # noqa: S311
    storm = Storm(shop, seed, pytestconfig.getoption("--storm"))
    with capsys.disabled():
        print(f"--storm {storm.runs} --storm-seed {storm.seed}", end=" ", flush=True)
    storm.rage()
    differences = storm.await_agreement(60)  # two checks of the supervisor
    assert not differences, "\n".join([f"seed {seed}", *storm.log, *differences])
