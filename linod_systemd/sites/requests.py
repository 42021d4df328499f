"""Ask root's side by requests: symbolic links in the folder SITE.requests.

A ``.path`` unit starts root's oneshot as long as the folder is not empty, so that no request is lost
(docs/systemd-facts.md, 4). The oneshot takes the requests as the site's user, and reads rules.json after
that. The link leads nowhere: its text is the name of the rule, so that it is made with its content in one
step, and read without opening anything. Its name is made from that text: a hundred requests are one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from linod_systemd.common import files
from linod_systemd.sites.config import Site

EXPORT = "rules"  # look at rules.json
RUN = "run-"  # start a rule's unit: the name of the rule is the text of the link
STOP = "stop-"  # end an invocation of a rule's unit: the text is its id and, after a blank, the rule
INVOCATION_ID = re.compile("[0-9a-f]{32}")
LONGEST = 4095  # bytes of a link's text (PATH_MAX, path_resolution(7)); no rule's name is as long
MOST = 1000  # taken at once; what is left starts the oneshot again


@dataclass
class Taken:
    """The rules that are to be run, the invocations to be ended with their rules, and the troubles with files
    that are no request."""

    run: list[str] = field(default_factory=list)
    stop: list[tuple[str, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)  # these are still there, and cannot be removed


def request_export(site: Site) -> None:
    """Ask root's side to look at rules.json.

    :raises OSError: where the state folder cannot be written.
    """
    _leave(site, EXPORT, EXPORT)


def request_run(site: Site, rule: str) -> None:
    """Ask root's side to start the unit of a rule now.

    :raises OSError: where the state folder cannot be written.
    """
    _leave(site, _file(RUN, rule), rule)


def request_stop(site: Site, rule: str, invocation_id: str) -> None:
    """Ask root's side to end an invocation of the unit of a rule, if it is the one that is running.

    :raises OSError: where the state folder cannot be written.
    """
    text = f"{invocation_id} {rule}"
    _leave(site, _file(STOP, text), text)


def withdraw_run(site: Site, rule: str) -> bool:
    """Take back what was asked for; whether it was still there."""
    try:
        (site.request_directory / _file(RUN, rule)).unlink()
    except FileNotFoundError:
        return False
    return True


def _file(kind: str, text: str) -> str:
    return kind + hashlib.sha256(text.encode()).hexdigest()[:32]


def _leave(site: Site, name: str, text: str) -> None:
    site.request_directory.mkdir(mode=0o750, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # asked for already, and not taken yet
        os.symlink(text, site.request_directory / name)
    files.sync_directory(site.request_directory)


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
    text = trouble = ""
    if name != EXPORT:
        try:
            text = _text_in(directory, name)
        except (OSError, ValueError) as error:
            trouble = f"{name!r:.80} is no request ({error!s:.200})"
    try:
        _remove(directory, name)
    except FileNotFoundError:
        return  # withdrawn in this moment
    except OSError as error:
        taken.stuck.append(f"{name!r:.80} cannot be removed ({error.strerror})")
    if text and name.startswith(RUN):
        taken.run.append(text)
    elif text:
        invocation_id, _, rule = text.partition(" ")
        taken.stop.append((invocation_id, rule))
    elif trouble:
        taken.troubles.append(trouble)


def _remove(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except IsADirectoryError:
        os.rmdir(name, dir_fd=directory)


def _text_in(directory: int, name: str) -> str:
    """:raises OSError, ValueError: where it is no request to run a rule or to end an invocation."""
    text = os.readlink(name, dir_fd=directory)
    if name not in (_file(RUN, text), _file(STOP, text)):
        raise ValueError("its name is not made from what it asks for")
    if name.startswith(STOP) and not INVOCATION_ID.fullmatch(text.partition(" ")[0]):
        raise ValueError("it names no invocation")
    return text
