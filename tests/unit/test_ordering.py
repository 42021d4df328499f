"""run_after: circles are found and named."""

from __future__ import annotations

import pytest

from linod_systemd.ordering import circle, in_words


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
