"""Requests: a file each in the site's ``requests/`` folder, by which the site's side asks root's.

A ``.path`` unit starts root's oneshot as long as the folder is not empty, so that none is lost. The oneshot
takes the requests as the site's user, and reads rules.json after that. A file is named after what it asks
for: asked a hundred times, it is one request.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from linod_systemd import files
from linod_systemd.conf import Site

EXPORT = "rules"  # look at rules.json
RUN = "run-"  # start a rule's unit: its name is the content
LONGEST = 4096  # bytes: the longest name of a rule in UTF-8, and more
MOST = 1000  # taken at once; what is left starts the oneshot again


@dataclass
class Taken:
    """The rules that are to be run, and what is wrong with files that are no request."""

    run: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)  # these are still there, and cannot be removed


def ask_for_export(site: Site) -> None:
    """Ask root's side to look at rules.json.

    :raises OSError: where the state folder cannot be written.
    """
    _leave(site, EXPORT, "")


def ask_for_run(site: Site, rule: str) -> None:
    """Ask root's side to start the unit of a rule now.

    :raises OSError: where the state folder cannot be written.
    """
    _leave(site, _run_file(rule), rule)


def withdraw_run(site: Site, rule: str) -> bool:
    """Take back what was asked for; whether it was still there."""
    try:
        (site.request_directory / _run_file(rule)).unlink()
    except FileNotFoundError:
        return False
    return True


def _run_file(rule: str) -> str:
    return RUN + hashlib.sha256(rule.encode()).hexdigest()[:32]


def _leave(site: Site, name: str, content: str) -> None:
    site.request_directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    files.write_atomically(site.request_directory / name, content, 0o640, aside=site.state_directory)


def take(folder: Path) -> Taken:
    """Read and remove the requests; of what is no request it is told. Called as the site's user."""
    taken = Taken()
    try:
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return taken
    except OSError as error:
        taken.stuck.append(f"{folder} cannot be read ({error.strerror})")
        return taken
    try:
        for name in sorted(os.listdir(directory))[:MOST]:
            _take_one(directory, name, taken)
    finally:
        os.close(directory)
    return taken


def _take_one(directory: int, name: str, taken: Taken) -> None:
    rule = trouble = ""
    if name != EXPORT:
        try:
            rule = _rule_in(directory, name)
        except (OSError, ValueError) as error:
            trouble = f"{name!r:.80} is no request ({error!s:.200})"
    try:
        _remove(directory, name)
    except FileNotFoundError:
        return  # withdrawn in this moment
    except OSError as error:
        taken.stuck.append(f"{name!r:.80} cannot be removed ({error.strerror})")
    if rule:
        taken.run.append(rule)
    elif trouble:
        taken.troubles.append(trouble)


def _remove(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except IsADirectoryError:
        os.rmdir(name, dir_fd=directory)


def _rule_in(directory: int, name: str) -> str:
    """:raises OSError, ValueError: where it is no request to run a rule."""
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("it is no plain file")
        content = file.read(LONGEST + 1)
    rule = content.decode()
    if not rule or len(content) > LONGEST or name != _run_file(rule):
        raise ValueError("its name is not that of what it asks for")
    return rule
