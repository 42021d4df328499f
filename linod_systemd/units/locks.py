"""Lock a site while root's side makes its units; no site waits for another.

The locks are files in a folder that only their user enters. Every user of the host could lock the unit
directory itself (docs/systemd-facts.md, 34).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from linod_systemd.common import files
from linod_systemd.errors import LinodError
from linod_systemd.sites import config

SITE_SECONDS = 150.0  # a generator that computes, verifies and writes the units of a large site


class Held(LinodError):
    """A lock that another process holds for too long."""


def directory() -> Path:
    """The folder of the locks: /run/linod-generate, or one of the user's own; it is made where it is missing.

    :raises Held: where it is not a folder of this user alone.
    """
    if os.geteuid() == 0:
        path = config.root() / "run/linod-generate"
    else:
        path = Path(
            os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "linod-generate"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise Held(f"{path} can be entered by others", f"look into it, then: rm -r {path}")
    return path


def of_site(name: str, units: Path) -> AbstractContextManager[None]:
    """Hold the units of a site in a unit directory.

    :raises Held: where they are made by another process all the time.
    """
    return _held(f"{name}.{_key(units)}", SITE_SECONDS)


def note_path(name: str, units: Path) -> Path:
    """Return the file beside the lock of a site that says when its units were verified."""
    return directory() / f"{name}.{_key(units)}.verified"


def _key(units: Path) -> str:
    return hashlib.sha256(str(units.absolute()).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _held(name: str, seconds: float) -> Iterator[None]:
    path = directory() / f"{name}.lock"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.held(path, seconds))
        except TimeoutError as error:
            raise Held(
                str(error), "see what it does (ps, journalctl -u 'linod-generate@*'), or kill it"
            ) from error
        except OSError as error:
            raise Held(
                f"{path} cannot be opened ({error.strerror})", "run it as root, or with --user"
            ) from error
        yield
