"""Judge whether a file or folder is root's own, so that root may believe it."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from linod_systemd.errors import ConfigurationError

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH  # with an ACL, the group's bits are its mask (acl(5))


def read(path: Path) -> str:
    """The text of a file; for root, of one that belongs to root and that only root can write or replace.

    :raises ConfigurationError: for root, where it is another's, a link or no plain file.
    :raises OSError: where it cannot be read.
    """
    if os.geteuid() != 0:
        return path.read_text(encoding="utf-8")
    _check(path.parent, os.stat(path.parent))
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        if path.is_symlink():
            raise ConfigurationError(f"{path} is a symbolic link", "put the file itself there") from None
        raise
    with open(handle, encoding="utf-8") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigurationError(f"{path} is no plain file", "remove it, or write one")
        _check(path, status)
        return file.read()


def _check(path: Path, status: os.stat_result) -> None:
    remedy = f"root takes orders from it: look through it, then chown root:root {path} && chmod go-w {path}"
    if status.st_uid != 0:
        raise ConfigurationError(f"{path} belongs to {_name(status.st_uid)}", remedy)
    if status.st_mode & OTHERS_WRITE:
        mode = stat.filemode(status.st_mode)
        raise ConfigurationError(f"{path} can be written by others than root ({mode})", remedy)


def only_root_names(path: str) -> bool:
    """Whether nobody but root can say which file this path leads to: all its folders are root's."""
    for way in (path, os.path.realpath(path)):
        for folder in Path(way).parents:
            try:
                status = os.stat(folder)
            except OSError:
                return False
            if status.st_uid != 0 or status.st_mode & OTHERS_WRITE:
                return False
    return True


def sole_owner(folder: str) -> int | None:
    """Return the one user beside root who decides where a path leads: each part of it is root's or his.

    None where there are two such users, or others can write a folder.

    :raises OSError: where the folder is not there.
    """
    owners = set()
    for way in (folder, os.path.realpath(folder)):
        for part in (Path(way), *Path(way).parents):
            status = os.stat(part)
            if status.st_mode & OTHERS_WRITE:
                return None
            owners.add(status.st_uid)
    others = owners - {0}
    return None if len(others) > 1 else next(iter(others), 0)


def all_may_read(path: Path) -> bool:
    """Whether every user may read this file.

    :raises OSError: where it is missing.
    """
    ways = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    return ways and bool(path.stat().st_mode & stat.S_IROTH)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"the user {user}"
