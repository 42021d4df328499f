"""Writing files so that nobody ever sees half of one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file by one of this content: a temporary one beside it, fsync, rename.

    :raises OSError: where that fails; the old file is then still whole.
    """
    with staged({path: text}, mode) as put:
        put(path)
    sync_directory(path.parent)


def make_public_directory(path: Path) -> None:
    """Make a folder that all can read, whatever the umask, where it is not there yet.

    :raises OSError: where that is not possible.
    """
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o755)
        path.chmod(0o755)


@contextlib.contextmanager
def staged(texts: Mapping[Path, str], mode: int = 0o644) -> Iterator[Callable[[Path], None]]:
    """Write files aside, all of them, and give what puts one in its place: a rename, which needs no room.

    :raises OSError: where one cannot be written; nothing has changed then.
    """
    written: dict[Path, str] = {}
    try:
        for path, text in texts.items():
            handle, written[path] = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
        yield lambda path: os.replace(written.pop(path), path)
    finally:
        for name in written.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def sync_directory(path: Path) -> None:
    """Make the renames and removals in a folder last over a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for, and hold, the lock of this file.

    :raises OSError: where the file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked_directory(path: Path) -> Iterator[None]:
    """Wait for, and hold, the lock of this folder: it needs no file, for which a disk may be too full.

    :raises OSError: where the folder cannot be opened.
    """
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
