"""Judge an exception of a procedure: a success on purpose, a fault of its own, or of database and network."""

from __future__ import annotations

import builtins
import errno
import socket
import sys
import sysconfig
from datetime import timedelta
from pathlib import Path

from django.apps import apps

from linod_systemd import clock
from linod_systemd.store import database, database_trouble
from linod_systemd.systemd import boot

BUILT_IN = tuple(
    kind
    for kind in vars(builtins).values()
    if isinstance(kind, type) and issubclass(kind, Warning) and kind is not Warning
)
SETTLING = timedelta(minutes=5)  # after a boot, in which a resolver may say that there is no such name
NO_NETWORK = {errno.ENETDOWN, errno.ENETUNREACH}


def is_on_purpose(warning: Warning) -> bool:
    """Whether a procedure raised this to end early, and well: Warning itself, or a class of the site's.

    Not python's own categories, such as DeprecationWarning, nor classes of libraries: with ``-W error`` these
    tell of a fault.
    """
    kind = type(warning)
    if kind is Warning:
        return True
    return not isinstance(warning, BUILT_IN) and not _is_of_a_library(kind)


def excuse(error: BaseException) -> str:
    """Return in words why the procedure could not help this error; empty: it is its own fault."""
    if database.is_to_blame(error):
        return "the database is away"
    if any(_is_of_the_network(one) for one in database_trouble.chain(error)):
        return "the network is away"
    return ""


def _is_of_the_network(error: BaseException) -> bool:
    if isinstance(error, socket.gaierror):
        has_just_booted = clock.utc_now() - boot.booted_at() < SETTLING
        return error.errno == socket.EAI_AGAIN or (has_just_booted and error.errno == socket.EAI_NONAME)
    return isinstance(error, OSError) and error.errno in NO_NETWORK


def _is_of_a_library(kind: type) -> bool:
    """Whether a class is of python's own library, or was installed by pip and is no app of this site."""
    if apps.get_containing_app_config(kind.__module__) is not None:
        return False
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    if file is None:
        return kind.__module__ != "__main__"
    roots = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")}
    return any(Path(file).resolve().is_relative_to(root) for root in roots)
