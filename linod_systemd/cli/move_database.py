"""Move an SQLite database away from the code, and leave a link in its place, so that no setting changes.

``python -m linod_systemd.cli.move_database FILE FOLDER`` does that as the site's user.

SQLite follows the link, and writes its journal beside the file itself (unixFullPathname, since 3.10).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
from pathlib import Path

import psutil

BUSY_SECONDS = 10.0


def move(file: Path, folder: Path) -> Path:
    """Move the database; where it lies now. One that is not made yet will be made there.

    :raises SystemExit: where something is in the way; then nothing was changed.
    """
    target = folder / file.name
    if not os.path.lexists(file) and not target.exists():
        file.symlink_to(target)
        return target
    if file.is_symlink() or not file.is_file():
        raise SystemExit(f"{file} is no plain file, and stays where it is")
    if target.exists():
        raise SystemExit(f"{target} is there already; move one of the two away")
    if users := _users(file):
        raise SystemExit(f"{file} is open in {', '.join(users)}; stop that, and try again")
    half = target.with_name(f"{target.name}.half")
    with contextlib.closing(sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("BEGIN EXCLUSIVE")  # nobody writes it meanwhile
        shutil.copy2(file, half)
        with half.open("rb") as copied:
            os.fsync(copied.fileno())
        database.execute("ROLLBACK")
    half.rename(target)
    link = file.with_name(f"{file.name}.link")
    link.symlink_to(target)
    link.replace(file)
    for rest in ("-wal", "-shm", "-journal"):
        file.with_name(f"{file.name}{rest}").unlink(missing_ok=True)
    return target


def _users(file: Path) -> list[str]:
    """The processes that have it open, as far as this user may see."""
    found = []
    for process in psutil.process_iter(["pid", "name"]):
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error):
            if any(opened.path == str(file.resolve()) for opened in process.open_files()):
                found.append(f"{process.info['name']} (process {process.pid})")
    return found


if __name__ == "__main__":
    print(f"moved to {move(Path(sys.argv[1]), Path(sys.argv[2]))}; a link is in its place")
