"""What holds for every test: the long ones may take their time."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from linod_systemd.procedures import Procedures
from tests.support.machine import SUITES, other_suite
from tests.support.registration import Registered, register

OTHER = f"debian{next(version for version, suite in SUITES.items() if suite == other_suite())}"
LONG_SECONDS = 590  # a part of the long tests; the quick ones have the limit of pyproject.toml


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--storm", type=int, default=200, metavar="RUNS", help="how many runs the storm has")
    parser.addoption("--storm-seed", type=int, metavar="SEED", help="repeat this storm")


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        is_elsewhere = item.get_closest_marker("elsewhere") is not None
        if is_elsewhere != (f"[{OTHER}" in item.name):
            item.add_marker(pytest.mark.long)
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test printed goes from one process to another, which a lone surrogate can't."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Nothing: each process of the tests has folders of its own, by tests/support/isolation.py."""


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Registered:
    """Register functions as procedures; after the test none of them is one any more."""
    monkeypatch.setattr(Procedures, "_by_name", dict(Procedures._by_name))
    return register
