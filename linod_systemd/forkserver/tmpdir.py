"""Make a folder of its own for the temporary files of a warm job.

A cold one has that by PrivateTmp= of its unit. A fork is in the mount namespace of the supervisor, whose
/tmp all forks share; so $TMPDIR, which python and most programs obey, names a folder for each.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from linod_systemd.forkserver import fork

FOLDER = Path("/tmp")  # noqa: S108 - of the supervisor alone


def _place(process: int) -> Path:
    return FOLDER / f"linod-{process}"


def make() -> None:
    """Make that of this process, if its unit names none itself.

    :raises OSError: where that is not possible.
    """
    if "TMPDIR" in os.environ:
        return
    place = _place(os.getpid())
    place.mkdir(mode=0o700)
    os.environ["TMPDIR"] = str(place)
    tempfile.tempdir = None  # what was found for the supervisor


def remove(process: int) -> None:
    """Remove that of a process that has ended, in a fork: there may be much in it."""
    place = _place(process)
    try:
        place.rmdir()
    except FileNotFoundError:
        return
    except OSError:
        fork.fork(lambda: _remove_whole(place))


def _remove_whole(place: Path) -> int:
    shutil.rmtree(place)
    return 0
