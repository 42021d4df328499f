"""Machines with an installation of ours, made once for each Debian and then frozen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.support.in_machine import add_shop, add_shops_code, await_supervisor
from tests.support.lino_machine import add_lino, manage
from tests.support.machine import SOURCE, SUITES, Machine, Workshop, debian, host_root, own_suite

# Debian 12 (systemd 252) and 13 (257): one is this host's own root, where it can be; the other a plain one.
BASES: dict[str, Callable[[], Path]] = {
    f"debian{version}": partial(host_root, version) if suite == own_suite() else partial(debian, suite)
    for version, suite in SUITES.items()
}


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    with Workshop() as made:
        yield made


@pytest.fixture(scope="session", params=sorted(BASES))  # what is long of it: tests/conftest.py
def base(request: pytest.FixtureRequest) -> Path:
    return BASES[request.param]()


@pytest.fixture(scope="session")
def installed(workshop: Workshop, base: Path) -> str:
    """The layer that ``./install.sh`` makes, as on any host, and a site with procedures that misbehave."""
    with Machine(workshop, base) as machine:
        machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)
        add_shops_code(machine)
        return machine.snapshot()


@pytest.fixture(scope="session")
def with_lino(workshop: Workshop, base: Path, installed: str) -> str:
    """The layer with a Lino site that is prepared, and not yet ours to run."""
    with Machine(workshop, base, [installed]) as machine:
        add_lino(machine)
        manage(machine, "small.settings", "prep --noinput")
        return machine.snapshot()


@pytest.fixture
def machine(workshop: Workshop, base: Path, installed: str) -> Iterator[Machine]:
    """A fresh machine on which the default site runs."""
    with Machine(workshop, base, [installed]) as made:
        await_supervisor(made, "default")
        yield made


@pytest.fixture(scope="session")
def with_shop(workshop: Workshop, base: Path, installed: str) -> str:
    """The layer with the site ``shop``, whose procedures misbehave, in the place of the demo site."""
    with Machine(workshop, base, [installed]) as machine:
        machine.sh("cp /etc/linod/default.toml /root/ && linod uninstall-site default")
        add_shop(machine)
        return machine.snapshot()


@pytest.fixture
def shop(workshop: Workshop, base: Path, installed: str, with_shop: str) -> Iterator[Machine]:
    """A fresh machine on which that site runs."""
    with Machine(workshop, base, [installed, with_shop]) as made:
        await_supervisor(made, "shop")
        yield made


@pytest.fixture
def both_sites(shop: Machine) -> Machine:
    """The same with the demo site beside it, as ``default``."""
    shop.sh("mv /root/default.toml /etc/linod/ && linod-generate-units && systemctl daemon-reload")
    await_supervisor(shop, "default")
    return shop


@pytest.fixture
def machines() -> Iterator[ExitStack]:
    """For a test that boots machines of its own."""
    with ExitStack() as stack:
        yield stack
