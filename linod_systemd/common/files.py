"""Write files so that nobody ever sees half of one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

FLOCK = "hhqqi4x"  # struct flock of fcntl(2): type, whence, start, length, process
HELD_SECONDS = 0.05  # until a lock is asked for again


def write_atomically(path: Path, text: str, mode: int = 0o644, *, owner: str = "") -> None:
    """Replace a file by one of this content: a temporary one beside it, fsync, rename.

    :param owner: as for :func:`staged`.
    :raises OSError: where that fails; the old file is then still whole.
    """
    with staged({path: text}, mode, owner=owner) as put:
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
def staged(
    texts: Mapping[Path, str], mode: int = 0o644, *, owner: str = ""
) -> Iterator[Callable[[Path], None]]:
    """Write files aside, all of them; gives a function that puts one in its place: a rename.

    :param owner: begins the names of the temporary files, ``.OWNER~NAME.…``: so they are found where this
        process is killed.
    :raises OSError: where one cannot be written; nothing has changed then.
    """
    written: dict[Path, str] = {}
    try:
        for path, text in texts.items():
            handle, written[path] = tempfile.mkstemp(dir=path.parent, prefix=f".{owner}~{path.name[:60]}.")
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


def read_plain(path: Path, most_bytes: int, *, follow: bool = True) -> bytes:
    """The content of a plain file, which somebody else may have made.

    :param follow: whether it may be a symbolic link.
    :raises OSError: where it cannot be read.
    :raises ValueError: where it is something else than a plain file, such as a FIFO, or larger than that.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    handle = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("is no plain file")
        with open(handle, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    finally:
        os.close(handle)
    if len(content) > most_bytes:
        raise ValueError(f"is larger than {most_bytes} bytes")
    return content


@contextlib.contextmanager
def held(path: Path, seconds: float) -> Iterator[None]:
    """Hold a lock that only those have who may open this file: a record lock, which ends with this process.

    :param path: a file in a folder of ours; it is made where it is not there.
    :param seconds: how long to wait for it.
    :raises TimeoutError: where another process holds it all the time; its text names that process.
    :raises OSError: where the file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    deadline = time.monotonic() + seconds
    try:
        while True:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except (BlockingIOError, PermissionError):
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"process {holder(handle)} has held {path} for {seconds:.0f} s"
                    ) from None
                time.sleep(HELD_SECONDS)
        yield
    finally:
        os.close(handle)


def holder(handle: int) -> int:
    """The process that holds the record lock of an open file (fcntl(2), F_GETLK); 0: none does."""
    question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, *_, process = struct.unpack(FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, question))
    return 0 if kind == fcntl.F_UNLCK else int(process)


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
