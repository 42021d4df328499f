"""run_after: circles are found and named."""

from __future__ import annotations

import pytest

from linod_systemd.rules import ordering
from linod_systemd.rules.ordering import circle, in_words


@pytest.mark.parametrize(
    ("run_after", "expected"),
    [
        ({}, []),
        ({"a": ["b", "c"], "b": ["c"], "c": []}, []),
        ({"a": ["gone"]}, []),
        ({"a": ["a"]}, ["a", "a"]),
        ({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}, ["a", "b", "c", "a"]),
    ],
)
def test_circle(run_after: dict[str, list[str]], expected: list[str]) -> None:
    assert circle(run_after) == expected


def test_circle_in_words() -> None:
    assert in_words(["a", "a"]) == "'a' runs after itself"
    assert in_words(["a", "b", "a"]) == "'a' runs after 'b', which runs after 'a'"


def test_all_that_are_in_circles_are_found_at_once() -> None:
    found = ordering.in_circles(
        {"a": ["b"], "b": ["a"], "c": ["a"], "d": [], "e": ["d"], "x": ["y"], "y": ["z"], "z": ["x", "a"]}
    )
    assert set(found) == {"a", "b", "x", "y", "z"}
    assert found["a"] == ["a", "b", "a"]
    assert in_words(found["x"]).startswith("'x' runs after 'y', which runs after 'z', which runs after 'a'")


def test_ten_thousand_circles_are_no_more_than_one() -> None:
    many = {f"{number}{side}": [f"{number}{other}"] for number in range(5000) for side, other in ("ab", "ba")}
    assert len(ordering.in_circles(many)) == 10_000
