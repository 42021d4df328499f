"""journald, by systemd-python: send records with the fields of a job, and answer questions about a site.

Only fields that journald itself adds are believed, as every user can log an INVOCATION_ID= of another.
The questions are one table, ``QUESTIONS``. :func:`answer` answers them in the process that asks, where it may
read the journal, and in the service that answers for a site (journal_server.py).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from systemd import journal

from linod_systemd.common import unit_names
from linod_systemd.common.text import storable

MOST_LINES = 2000
MOST_CHARACTERS = 64_000
MOST_STARTS = 2000
# What PID 1 says of a unit: MESSAGE_ID, as in its message catalogue.
STARTING = "7d4958e842da4a758f6c1cdc7b36dcc5"
PROCESS_EXIT = "98e322203f7a4ed290d09fe03c09fe15"
FAILED_RESULT = "d9b373ed55a64feb8242e02dbe79a49c"
SUCCESS = "7ad2d189f7e94e70a38c781354912448"

INVOCATION_ID = re.compile("[0-9a-f]{32}")

Services = re.Pattern[str]  # of their names


class Handler(logging.Handler):
    """Sends each record to journald with these fields (LINOD_SITE, …), and no others of the record's own.

    Not systemd-python's JournalHandler: it sends all that a record holds, so that ``extra=`` could put
    another LINOD_JOB in the place of ours, and loses a record with half of a surrogate pair.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__()
        self.fields = {name: storable(value) for name, value in fields.items()}

    def emit(self, record: logging.LogRecord) -> None:
        try:
            journal.send(
                storable(self.format(record)),
                PRIORITY=journal.JournalHandler.map_priority(record.levelno),
                SYSLOG_IDENTIFIER="linod",
                LOGGER=storable(record.name),
                CODE_FILE=storable(record.pathname),
                CODE_LINE=record.lineno,
                CODE_FUNC=storable(record.funcName or ""),
                **self.fields,
            )
        except Exception:
            self.handleError(record)


@dataclass(frozen=True)
class Line:
    """Something that a run said; ``is_printed``: on its stdout or stderr, not by logging."""

    text: str
    is_printed: bool


def follow(site: str, user: int, invocation_id: str) -> Iterator[Line | None]:
    """The lines of the processes of an invocation, from its beginning; None: no more for now."""
    reader = journal.Reader()  # closed when it is forgotten; `closing` would close it at the first None
    _match_processes(reader, site, user, invocation_id)
    while True:
        for entry in reader:
            yield Line(_message(entry), entry.get("_TRANSPORT") == "stdout")
        yield None
        reader.process()


@dataclass(frozen=True)
class Asker:
    """The site that asks, with the number of its user; ``services``: only these are told of; None: all."""

    site: str
    user: int
    services: Services | None = None


def answer(asker: Asker, question: Mapping[str, Any]) -> Any:
    """Return the answer to a question, a JSON value.

    Example: ``{"about": "job", "job": 7}`` gives the last lines that job #7 logged.

    :raises KeyError: for a question that lacks something.
    :raises TypeError, ValueError: for a question that cannot be understood.
    """
    about = question["about"]
    if about not in QUESTIONS:
        raise ValueError(f"nothing is known about {about!r:.40}")
    return QUESTIONS[about](asker, question)


def _invocation(asker: Asker, question: Mapping[str, Any]) -> str:
    """The last lines that the processes of this invocation of a unit logged, and PID 1 about it.

    ``since``: ISO 8601, aware; leave out what is older.
    """
    invocation_id = _invocation_id(question)
    since = question["since"] and datetime.fromisoformat(question["since"])
    with closing(journal.Reader()) as reader:
        _match_processes(reader, asker.site, asker.user, invocation_id)
        reader.add_disjunction()
        reader.add_match(INVOCATION_ID=invocation_id)
        reader.add_match(_PID=1)
        return _text(reader, since, asker.services)


def _match_processes(reader: journal.Reader, site: str, user: int, invocation_id: str) -> None:
    """Of what a process said just before it was killed, journald no longer finds the unit, only the user,
    which the kernel tells it; so what says of itself that it is of this invocation counts, too."""
    reader.add_match(LINOD_SITE=site, LINOD_INVOCATION=invocation_id, _UID=user)
    reader.add_disjunction()
    reader.add_match(_SYSTEMD_INVOCATION_ID=invocation_id)


def _printed(asker: Asker, question: Mapping[str, Any]) -> str:
    """The last lines that the processes of an invocation printed: by stdout and stderr, and no records."""
    with closing(journal.Reader()) as reader:
        reader.add_match(_SYSTEMD_INVOCATION_ID=_invocation_id(question), _TRANSPORT="stdout")
        return _text(reader, None, asker.services)


def _job(asker: Asker, question: Mapping[str, Any]) -> str:
    """The last lines that a job logged which systemd did not start, by processes of the site's user."""
    with closing(journal.Reader()) as reader:
        reader.add_match(LINOD_SITE=asker.site, LINOD_JOB=str(int(question["job"])), _UID=asker.user)
        return _text(reader, None, None)


def _starts(asker: Asker, question: Mapping[str, Any]) -> list[list[str]]:
    """The first starts of the site's services after ``since``, oldest first; ``MOST_STARTS`` at most.

    Shape: ``[unit, invocation id, instant (ISO 8601, UTC)]``.
    """
    since = datetime.fromisoformat(question["since"])
    ours = unit_names.services_of(asker.site)
    with closing(journal.Reader()) as reader:
        reader.add_match(_PID=1, MESSAGE_ID=STARTING)
        reader.seek_realtime(since)
        return list(islice(_started(reader, since, ours), MOST_STARTS))


def _started(reader: journal.Reader, since: datetime, ours: Services) -> Iterator[list[str]]:
    for entry in reader:
        at = entry["__REALTIME_TIMESTAMP"]
        if at > since and "INVOCATION_ID" in entry and _is_told(entry, ours):
            yield [str(entry["UNIT"]), str(entry["INVOCATION_ID"]), at.isoformat()]


def _end(asker: Asker, question: Mapping[str, Any]) -> dict[str, str]:
    """The words of PID 1 about the end of an invocation, if any: UNIT_RESULT, EXIT_CODE, EXIT_STATUS."""
    found: dict[str, str] = {}
    with closing(journal.Reader()) as reader:
        reader.add_match(_PID=1, INVOCATION_ID=_invocation_id(question))
        for kind in (PROCESS_EXIT, FAILED_RESULT, SUCCESS):
            reader.add_match(MESSAGE_ID=kind)  # of one field, any of these
        for entry in reader:
            if not _is_told(entry, asker.services):
                continue
            if entry["MESSAGE_ID"].hex == SUCCESS:
                found["UNIT_RESULT"] = "success"
            found |= {
                key: str(entry[key]) for key in ("UNIT_RESULT", "EXIT_CODE", "EXIT_STATUS") if key in entry
            }
    return found


QUESTIONS: dict[str, Callable[[Asker, Mapping[str, Any]], Any]] = {
    "invocation": _invocation,
    "printed": _printed,
    "job": _job,
    "starts": _starts,
    "end": _end,
}


def _invocation_id(question: Mapping[str, Any]) -> str:
    value = str(question["invocation_id"])
    if not INVOCATION_ID.fullmatch(value):
        raise ValueError("invocation_id must be 32 hexadecimal digits")
    return value


def _is_told(entry: dict[str, object], services: Services | None) -> bool:
    if services is None:
        return True
    if entry.get("_PID") != 1 and "_SYSTEMD_UNIT" not in entry:
        return "LINOD_INVOCATION" in entry  # matched with its user
    unit = str(entry.get("UNIT" if entry.get("_PID") == 1 else "_SYSTEMD_UNIT", ""))
    return services.fullmatch(unit) is not None


def _text(reader: journal.Reader, since: datetime | None, services: Services | None) -> str:
    reader.seek_tail()
    newest_first = list(_backwards(reader, since, services))
    return "\n".join(newest_first[::-1])


def _backwards(reader: journal.Reader, since: datetime | None, services: Services | None) -> Iterator[str]:
    room = MOST_CHARACTERS
    for _ in range(MOST_LINES):
        entry = reader.get_previous()
        if not entry or (since is not None and entry["__REALTIME_TIMESTAMP"] < since):
            return
        if not _is_told(entry, services):
            continue
        line = _message(entry)
        room -= len(line)
        if room < 0:
            return
        yield line


def _message(entry: dict[str, object]) -> str:
    message = entry.get("MESSAGE", "")
    return message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
