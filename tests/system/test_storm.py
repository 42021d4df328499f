"""After a storm the ledger agrees: as many rows as starts, each ended as its fault was, every timer set.

``LINOD_STORM=200`` makes it that many runs, ``LINOD_STORM_SEED=…`` repeats one.
"""

from __future__ import annotations

import os
import random

import pytest

from tests.machine import Machine
from tests.storm import Storm

pytestmark = pytest.mark.long


def test_storm(shop: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    # The journal outlives the power cuts; the group systemd-journal may read it.
    shop.sh("mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal")
    shop.sh("journalctl --flush")
    seed = int(os.environ.get("LINOD_STORM_SEED") or random.randrange(10**6))  # noqa: S311
    storm = Storm(shop, seed, int(os.environ.get("LINOD_STORM") or 24))
    with capsys.disabled():
        print(f"LINOD_STORM_SEED={storm.seed} LINOD_STORM={storm.runs}", end=" ", flush=True)
    storm.rage()
    differences = storm.await_agreement(60)  # two checks of the supervisor
    assert not differences, "\n".join([f"seed {seed}", *storm.log, *differences])
