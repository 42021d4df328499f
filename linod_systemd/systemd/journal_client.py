"""What the journal has of this site's jobs, asked of linod-journal-SITE.socket.

The journal of a host is not for its sites to read. Where there is no such socket (units of a user, no units
at all), it is what this process itself may see.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from linod_systemd.common import unit_names
from linod_systemd.common.text import storable
from linod_systemd.errors import LinodError
from linod_systemd.sites import config
from linod_systemd.systemd import journal, journal_server
from linod_systemd.systemd.journal import Start

logger = logging.getLogger("linod.journal")


class JournalAway(LinodError):
    """The journal's socket gives no answer now: what it would say is not known, and may be asked later."""


def text_of_invocation(invocation_id: str, since: datetime | None = None) -> str:
    """The last lines that an invocation of a unit logged, and PID 1 about it.

    :param since: leave out what is older (aware).
    """
    question = {"about": "invocation", "invocation_id": invocation_id, "since": since and since.isoformat()}
    site, user = config.this_site().name, os.geteuid()
    return _text(question, lambda: journal.text_of_invocation(site, user, invocation_id, since, None))


def printed_of_invocation(invocation_id: str) -> str:
    """The last lines that an invocation of a unit printed, beside what it logged."""
    question = {"about": "printed", "invocation_id": invocation_id}
    return _text(question, lambda: journal.printed_of_invocation(invocation_id, None))


def text_of_job(site: str, job: int) -> str:
    """The last lines that a job logged which systemd did not start."""
    question = {"about": "job", "job": job}
    return _text(question, lambda: journal.text_of_job(site, job, os.geteuid()))


def end_of_invocation(invocation_id: str) -> dict[str, str]:
    """What PID 1 said of the end of an invocation, as far as it did: UNIT_RESULT, EXIT_CODE, EXIT_STATUS.

    :raises JournalAway: where that is not to be known now.
    """

    def read() -> dict[str, str]:
        _check_readable()
        return journal.end_of_invocation(invocation_id, None)

    return dict(_asked({"about": "end", "invocation_id": invocation_id}, read))


def starts_since(instant: datetime) -> Iterator[Start]:
    """The starts of the site's services after an instant (aware), oldest first.

    :raises JournalAway: where they are not to be known now.
    """
    page = _starts(instant)
    while page:
        yield from page
        page = _starts(page[-1].instant) if len(page) == journal.MOST_STARTS else []


def _starts(instant: datetime) -> list[Start]:
    def read() -> list[list[str]]:
        _check_readable()
        ours = journal_server.units(config.this_site().name)
        found = journal.starts_since(instant, ours)
        return [[start.unit, start.invocation_id, start.instant.isoformat()] for start in found]

    rows = _asked({"about": "starts", "since": instant.isoformat()}, read)
    return [Start(unit, invocation_id, datetime.fromisoformat(at)) for unit, invocation_id, at in rows]


def _text(question: dict[str, Any], read: Callable[[], str]) -> str:
    """An answer that is a text, empty where there is none: a row ends without it, too."""
    try:
        return storable(str(_asked(question, read)))  # a procedure may have printed whatever it likes
    except JournalAway as error:
        logger.error("%s", error)
        return ""


def _asked(question: dict[str, Any], read: Callable[[], Any]) -> Any:
    site = config.this_site()
    path = journal_server.path(site)
    try:
        return journal_server.ask(path, question)
    except FileNotFoundError:
        return read()
    except OSError as error:
        raise JournalAway(
            f"{path} does not answer {question} ({error})",
            f"systemctl status {unit_names.journal_socket(site.name)} tells more",
        ) from error


def _check_readable() -> None:
    """:raises JournalAway: in a unit of PID 1 whose site has no socket now: the journal would look empty."""
    site = config.this_site()
    path = journal_server.path(site)
    if f"{path.with_suffix('')}/shared" in os.environ.get("RUNTIME_DIRECTORY", "").split(":"):
        raise JournalAway(
            f"{path} does not exist", f"start it: systemctl start {unit_names.journal_socket(site.name)}"
        )
