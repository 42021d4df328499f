"""A timeline shows each run in its place, and many by few shapes that say how many they stand for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from linod_systemd.pages import timeline_drawing as drawing
from linod_systemd.pages.timeline_drawing import Run, Window

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = Window(NOON, NOON + timedelta(days=1))


def run(minute: float, seconds: float = 60, kind: str = "good", pk: int = 1) -> Run:
    begin = NOON + timedelta(minutes=minute)
    return Run(pk, begin, begin + timedelta(seconds=seconds), kind)


def test_a_run_has_its_place_and_its_length() -> None:
    (shape,) = drawing.shapes({"x": [run(360, 3600)]}, DAY)["x"]
    assert (shape.x, round(shape.width, 6), len(shape.runs)) == (250, round(1000 / 24, 6), 1)
    assert drawing.path(250, 0) == "M250 3h1.5v14h-1.5z", "a short one is seen all the same"


def test_what_lies_outside_ends_at_the_edge() -> None:
    (shape,) = drawing.shapes({"x": [run(-60, 2 * 3600)]}, DAY)["x"]
    assert (shape.x, round(shape.width, 3)) == (0, round(1000 / 24, 3))


def test_few_are_all_drawn_and_many_are_thinned_out_honestly() -> None:
    runs = [run(minute, 30, "bad" if minute == 700 else "good", minute) for minute in range(1440)]
    assert len(drawing.shapes({"x": runs}, DAY)["x"]) == 1440
    rows = {str(number): runs for number in range(10)}
    found = drawing.shapes(rows, DAY)
    assert sum(map(len, found.values())) <= drawing.SHAPES
    for shapes in found.values():
        assert [one for shape in shapes for one in shape.runs] == runs, "each run is in one shape"
        assert sum(shape.kind == "bad" for shape in shapes) == 1, "a failure is seen"


def test_next_runs_that_touch_are_one() -> None:
    apart = [NOON + timedelta(hours=hour) for hour in (1, 2)]
    assert len(drawing.coming(apart, DAY)) == 2
    close = [NOON + timedelta(minutes=minute) for minute in range(60)]
    ((x, width),) = drawing.coming(close, DAY)
    assert (x, round(width)) == (0, round(59 / 1440 * 1000 + drawing.NARROWEST))


def test_a_minute_in_which_many_rules_start_is_marked() -> None:
    starts = {str(number): [NOON + timedelta(seconds=number)] for number in range(7)}
    assert drawing.crowds(starts) == [(NOON, 7)]
    assert drawing.crowds({"x": [NOON] * 9}) == [], "one rule is no crowd"


@pytest.mark.parametrize(
    ("length", "first"),
    [(timedelta(hours=1), "13:00"), (timedelta(days=1), "15:00"), (timedelta(days=7), "Wed 02")],
)
def test_the_axis_is_on_the_wall_clock(length: timedelta, first: str) -> None:
    ticks = drawing.ticks(Window(NOON, NOON + length), ZoneInfo("Europe/Brussels"))
    assert ticks[0][1] == first
    assert all(0 <= x < drawing.WIDTH for x, _ in ticks)
