"""Load everything that jobs need, before the supervisor forks the first one."""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Sequence

from django.db import connections

from linod_systemd.common import unit_names
from linod_systemd.errors import LinodError
from linod_systemd.forkserver import sandbox
from linod_systemd.forkserver.server import ForkServer
from linod_systemd.runner import execute
from linod_systemd.sites import config
from linod_systemd.store import database, rule_store
from linod_systemd.systemd import boot, cgroup
from linod_systemd.systemd.dbus import Bus, BusError

__all__ = ["execute", "fork_server"]  # which is imported for the jobs

logger = logging.getLogger("linod.supervisor")


def fork_server(site: config.Site, held: Sequence[int]) -> tuple[ForkServer | None, str]:
    """Make ready for forks, and listen; or why there can be none.

    :param held: descriptors of the supervisor that are none of a job's business.
    :raises OSError: where the socket cannot be made.
    """
    _load(site)
    # Python's: idle workers of a C library (OpenBLAS, onnxruntime) hold nothing that a job needs.
    threads = len(sys._current_frames())
    if threads > 1:
        return None, f"the site starts {threads - 1} threads when it is loaded, so its jobs run cold"
    try:
        with Bus(per_user=cgroup.is_per_user()) as bus:
            own = sandbox.own(bus, unit_names.supervisor(site.name), config.site_file(site.name))
    except BusError as error:
        return None, f"jobs run cold: {error}"
    gc.collect()
    gc.freeze()  # the collector of a child must not write to what it shares
    return ForkServer(site, held, own), ""


def _load(site: config.Site) -> None:
    """Compute for all forks: the boot, and Django's fields, compilers and converters for a first query."""
    try:
        boot.booted_at()
        with database.reachable(site):
            rule_store.current().rules()
            rule_store.current().jobs().running().first()
    except LinodError as error:
        logger.warning("%s", error)
    for connection in connections.all(initialized_only=True):
        connection.close()
        if hasattr(connection, "close_pool"):  # PostgreSQL's, which has threads
            connection.close_pool()
