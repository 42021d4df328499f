"""Which ring of a timer is a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from linod_systemd.rules.slot import Decision, Past, decide, is_made_up

SLOT = datetime(2027, 3, 1, 4, 0, tzinfo=UTC)
LATE = SLOT + timedelta(minutes=6)
TOLERANCE = timedelta(minutes=5)
NOTHING = Past()


def asked(
    slot: datetime | None = SLOT, rang: datetime = SLOT, makes_up: bool = False, past: Past = NOTHING
) -> Decision:
    return decide(slot, rang, past, makes_up=makes_up, tolerance=TOLERANCE)


def test_a_free_slot_is_run() -> None:
    assert asked() == Decision(True)
    assert asked(past=Past(live_since=SLOT - timedelta(seconds=1))).runs
    assert asked(rang=SLOT + TOLERANCE).runs


@pytest.mark.parametrize("makes_up", [False, True])
@pytest.mark.parametrize(
    ("slot", "past"),
    [
        (None, Past()),
        (SLOT, Past(live_since=SLOT)),
        (SLOT, Past(live_since=SLOT + timedelta(days=1))),
        (SLOT, Past(taken=True)),
    ],
)
def test_what_is_no_run_leaves_no_row(slot: datetime | None, past: Past, makes_up: bool) -> None:
    decision = asked(slot, makes_up=makes_up, past=past)
    assert not decision.runs
    assert not decision.is_noted
    assert decision.reason


@pytest.mark.parametrize("makes_up", [False, True])
def test_a_run_that_was_under_way_passes_the_slot_over(makes_up: bool) -> None:
    decision = asked(makes_up=makes_up, past=Past(busy="job #3"))
    assert decision == Decision(False, "job #3 was still running", is_noted=True)


def test_late_is_a_run_only_where_it_is_made_up_for() -> None:
    assert asked(rang=LATE) == Decision(False, "its timer rang 360 s late", is_noted=True)
    assert asked(rang=LATE, makes_up=True).runs
    assert is_made_up(SLOT, LATE)
    assert not is_made_up(SLOT, SLOT + timedelta(seconds=1))
