"""What holds for every test: the long ones may take their time."""

from __future__ import annotations

import pytest

LONG_SECONDS = 590  # a part of the long tests; the quick ones have the limit of pyproject.toml


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--storm", type=int, default=200, metavar="RUNS", help="how many runs the storm has")
    parser.addoption("--storm-seed", type=int, metavar="SEED", help="repeat this storm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_SECONDS))
