"""Ask what the journal has of this site's jobs: by linod-journal-SITE.socket.

The journal of a host is not for its sites to read. Where there is no such socket (units of a user, no units
at all), the answer is what this process itself may see.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from linod_systemd.common import unit_names
from linod_systemd.common.text import storable
from linod_systemd.errors import LinodError
from linod_systemd.sites.config import Site
from linod_systemd.systemd import journal, journal_server

logger = logging.getLogger("linod.journal")

# Where the process that asks is in a unit of a site whose socket is gone, the journal would look empty to it.
NEEDS_SOCKET = ("end", "starts")


class JournalAway(LinodError):
    """The journal's socket gives no answer now. The question may be asked again later."""


@dataclass(frozen=True)
class LoggedStart:
    """PID 1 logged that it begins to start a unit (``instant`` in UTC)."""

    unit: str
    invocation_id: str
    instant: datetime


def text_of_invocation(site: Site, invocation_id: str, since: datetime | None = None) -> str:
    """Return the last lines that an invocation of a unit logged, and PID 1 about it.

    :param since: leave out what is older (aware).
    """
    question = {"about": "invocation", "invocation_id": invocation_id, "since": since and since.isoformat()}
    return _text(site, question)


def printed_of_invocation(site: Site, invocation_id: str) -> str:
    """Return the last lines that an invocation of a unit printed, beside what it logged."""
    return _text(site, {"about": "printed", "invocation_id": invocation_id})


def text_of_job(site: Site, job: int) -> str:
    """Return the last lines that a job logged which systemd did not start."""
    return _text(site, {"about": "job", "job": job})


def end_of_invocation(site: Site, invocation_id: str) -> dict[str, str]:
    """Return what PID 1 said of the end of an invocation: UNIT_RESULT, EXIT_CODE, EXIT_STATUS, or less.

    :raises JournalAway: where that is not to be known now.
    """
    return dict(_answer(site, {"about": "end", "invocation_id": invocation_id}))


def starts_since(site: Site, instant: datetime) -> Iterator[LoggedStart]:
    """The starts of the site's services after an instant (aware), oldest first.

    :raises JournalAway: where they are not to be known now.
    """
    while True:
        rows = _answer(site, {"about": "starts", "since": instant.isoformat()})
        for unit, invocation_id, at in rows:
            instant = datetime.fromisoformat(at)
            yield LoggedStart(unit, invocation_id, instant)
        if len(rows) < journal.MOST_STARTS:
            return


def _text(site: Site, question: Mapping[str, Any]) -> str:
    """Return an answer that is a text, empty where there is none: a row ends without it, too."""
    try:
        return storable(str(_answer(site, question)))  # a procedure may have printed whatever it likes
    except JournalAway as error:
        logger.error("%s", error)
        return ""


def _answer(site: Site, question: Mapping[str, Any]) -> Any:
    """:raises JournalAway: where the socket does not answer, or is missing though the units have one."""
    path = journal_server.path(site)
    unit = unit_names.journal_socket(site.name)
    try:
        return journal_server.send_question(path, question)
    except FileNotFoundError as error:
        folders = os.environ.get("RUNTIME_DIRECTORY", "").split(":")
        if question["about"] in NEEDS_SOCKET and f"{path.with_suffix('')}/shared" in folders:
            raise JournalAway(f"{path} does not exist", f"start it: systemctl start {unit}") from error
        return journal.answer(journal.Asker(site.name, os.geteuid()), question)
    except OSError as error:
        said = f"{path} does not answer {question} ({error})"
        raise JournalAway(said, f"systemctl status {unit} tells more") from error
