"""What root's side spends on one site in a minute has an end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from linod_systemd.units import time_budget
from linod_systemd.units.time_budget import TimeBudget, wait_before


@pytest.mark.parametrize(
    ("spent", "wait"),
    [
        ([], 0),
        ([(950, 11.9)], 0),
        ([(950, 5), (990, 8)], 10),  # at 1010 the first is a minute ago
        ([(990, 20)], 50),
        ([(930, 50)], 0),  # more than a minute ago
        ([(2000, 50)], 0),  # of another boot
        ([(995, 6), (991, 6), (992, 6)], 52),
    ],
)
def test_waits_until_less_than_the_budget_was_spent(spent: list[tuple[float, float]], wait: float) -> None:
    assert wait_before(spent, 1000, 12) == wait


def test_what_is_spent_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    for _ in range(2):
        with TimeBudget(tmp_path, "shop", 0.001) as one, one.reload(tmp_path):
            pass
    assert waited[0] == 0 and 0 < waited[1] <= time_budget.WINDOW
    with TimeBudget(tmp_path, "other", 0.001):
        assert waited[2] == 0
