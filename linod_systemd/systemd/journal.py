"""journald, by systemd-python: records with the fields of a job, and what this process may read of units.

Only fields that journald itself adds are believed, as every user can log an INVOCATION_ID= of another. In
each function, ``units`` matches the services that are told of; None: all.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from systemd import journal

from linod_systemd.common.text import storable

MOST_LINES = 2000
MOST_CHARACTERS = 64_000
MOST_STARTS = 2000
# What PID 1 says of a unit: MESSAGE_ID, as in its message catalogue.
STARTING = "7d4958e842da4a758f6c1cdc7b36dcc5"
PROCESS_EXIT = "98e322203f7a4ed290d09fe03c09fe15"
FAILED_RESULT = "d9b373ed55a64feb8242e02dbe79a49c"
SUCCESS = "7ad2d189f7e94e70a38c781354912448"

Units = re.Pattern[str] | None


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
    """What the processes of an invocation of a unit say, from its beginning; None: no more for now."""
    reader = journal.Reader()  # closed when it is forgotten; `closing` would close it at the first None
    _match_processes(reader, site, user, invocation_id)
    while True:
        for entry in reader:
            yield Line(_message(entry), entry.get("_TRANSPORT") == "stdout")
        yield None
        reader.process()


@dataclass(frozen=True)
class Start:
    """PID 1 began to start a unit."""

    unit: str
    invocation_id: str
    instant: datetime


def text_of_invocation(site: str, user: int, invocation_id: str, since: datetime | None, units: Units) -> str:
    """The last lines that the processes of this invocation of a unit logged, and PID 1 about it.

    :param user: the number of the site's user.
    :param since: leave out what is older (aware).
    """
    with closing(journal.Reader()) as reader:
        _match_processes(reader, site, user, invocation_id)
        reader.add_disjunction()
        reader.add_match(INVOCATION_ID=invocation_id)
        reader.add_match(_PID=1)
        return _text(reader, since, units)


def _match_processes(reader: journal.Reader, site: str, user: int, invocation_id: str) -> None:
    """Of what a process said just before it was killed, journald no longer finds the unit, only the user,
    which the kernel tells it; so what says of itself that it is of this invocation counts, too."""
    reader.add_match(LINOD_SITE=site, LINOD_INVOCATION=invocation_id, _UID=user)
    reader.add_disjunction()
    reader.add_match(_SYSTEMD_INVOCATION_ID=invocation_id)


def printed_of_invocation(invocation_id: str, units: Units) -> str:
    """The last lines that its processes printed: by stdout and stderr, and no records."""
    with closing(journal.Reader()) as reader:
        reader.add_match(_SYSTEMD_INVOCATION_ID=invocation_id, _TRANSPORT="stdout")
        return _text(reader, None, units)


def text_of_job(site: str, job: int, user: int) -> str:
    """The last lines that a job logged which systemd did not start, by processes of this user."""
    with closing(journal.Reader()) as reader:
        reader.add_match(LINOD_SITE=site, LINOD_JOB=str(job), _UID=user)
        return _text(reader, None, None)


def starts_since(instant: datetime, units: Units) -> list[Start]:
    """The first starts of services after an instant (aware), oldest first; ``MOST_STARTS`` at most."""
    with closing(journal.Reader()) as reader:
        reader.add_match(_PID=1, MESSAGE_ID=STARTING)
        reader.seek_realtime(instant)
        return list(islice(_starts(reader, instant, units), MOST_STARTS))


def _starts(reader: journal.Reader, instant: datetime, units: Units) -> Iterator[Start]:
    for entry in reader:
        at = entry["__REALTIME_TIMESTAMP"]
        if at > instant and "INVOCATION_ID" in entry and _is_told(entry, units):
            yield Start(str(entry["UNIT"]), str(entry["INVOCATION_ID"]), at)


def end_of_invocation(invocation_id: str, units: Units) -> dict[str, str]:
    """What PID 1 said of the end of an invocation, as far as it did: UNIT_RESULT, EXIT_CODE, EXIT_STATUS."""
    found: dict[str, str] = {}
    with closing(journal.Reader()) as reader:
        reader.add_match(_PID=1, INVOCATION_ID=invocation_id)
        for kind in (PROCESS_EXIT, FAILED_RESULT, SUCCESS):
            reader.add_match(MESSAGE_ID=kind)  # of one field, any of these
        for entry in reader:
            if not _is_told(entry, units):
                continue
            if entry["MESSAGE_ID"].hex == SUCCESS:
                found["UNIT_RESULT"] = "success"
            found |= {
                key: str(entry[key]) for key in ("UNIT_RESULT", "EXIT_CODE", "EXIT_STATUS") if key in entry
            }
    return found


def _is_told(entry: dict[str, object], units: Units) -> bool:
    if units is None:
        return True
    if entry.get("_PID") != 1 and "_SYSTEMD_UNIT" not in entry:
        return "LINOD_INVOCATION" in entry  # matched with its user
    unit = str(entry.get("UNIT" if entry.get("_PID") == 1 else "_SYSTEMD_UNIT", ""))
    return units.fullmatch(unit) is not None


def _text(reader: journal.Reader, since: datetime | None, units: Units) -> str:
    reader.seek_tail()
    newest_first = list(_backwards(reader, since, units))
    return "\n".join(newest_first[::-1])


def _backwards(reader: journal.Reader, since: datetime | None, units: Units) -> Iterator[str]:
    room = MOST_CHARACTERS
    for _ in range(MOST_LINES):
        entry = reader.get_previous()
        if not entry or (since is not None and entry["__REALTIME_TIMESTAMP"] < since):
            return
        if not _is_told(entry, units):
            continue
        line = _message(entry)
        room -= len(line)
        if room < 0:
            return
        yield line


def _message(entry: dict[str, object]) -> str:
    message = entry.get("MESSAGE", "")
    return message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
