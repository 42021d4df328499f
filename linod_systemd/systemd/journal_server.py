"""What systemd and the units of a site logged, told to that site alone.

Who is in the group systemd-journal reads the log of the whole host. So no process of a site is:
linod-journal-SITE.socket, which only its user can open, starts this for each question, with a python and
code that are root's. A question is one JSON object, the answer a JSON value.
"""

from __future__ import annotations

import json
import pwd
import re
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from linod_systemd.sites import config

PATIENCE = 20.0  # seconds for an answer: a large journal is slow to search
MOST_BYTES = 1000  # of a question
FOLDER = Path("/run/linod")
INVOCATION_ID = re.compile("[0-9a-f]{32}")


def path(site: config.Site) -> Path:
    """Where the socket of a site lies, if it has one."""
    return FOLDER / f"{site.name}.journal"


def units(site: str) -> re.Pattern[str]:
    """The names of this site's services: no escaped name of a rule has a dash."""
    prefix = "linod-" if site == "default" else f"linod-{site}-"
    rule = r"[A-Za-z0-9:_.\\]+"
    return re.compile(
        rf"{prefix}{rule}\.service|linod-supervisor@{site}\.service|linod-(failure|ended)-{site}@.*"
    )


def ask(path: Path, question: dict[str, Any]) -> Any:
    """The answer to a question.

    :raises FileNotFoundError: where there is no such socket.
    :raises OSError: where it does not answer.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(path))
        connection.sendall(json.dumps(question).encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    try:
        return json.loads(answer)
    except ValueError:
        raise OSError(f"it said {answer[:100]!r}; see journalctl -u 'linod-journal-*'") from None


def answer(site: str, user: int, question: dict[str, Any]) -> Any:
    """What the journal has to say to a question; ``user`` is the number of the site's.

    :raises KeyError: for a question that lacks something.
    :raises ValueError: for one that cannot be understood.
    """
    from linod_systemd.systemd import journal

    ours = units(site)
    match question["about"]:
        case "invocation":
            since = question["since"] and datetime.fromisoformat(question["since"])
            return journal.text_of_invocation(site, user, _invocation_id(question), since, ours)
        case "printed":
            return journal.printed_of_invocation(_invocation_id(question), ours)
        case "end":
            return journal.end_of_invocation(_invocation_id(question), ours)
        case "starts":
            found = journal.starts_since(datetime.fromisoformat(question["since"]), ours)
            return [[start.unit, start.invocation_id, start.instant.isoformat()] for start in found]
        case "job":
            return journal.text_of_job(site, int(question["job"]), user)
    raise ValueError(f"nothing is known about {question['about']!r:.40}")


def _invocation_id(question: dict[str, Any]) -> str:
    value = str(question["invocation_id"])
    if not INVOCATION_ID.fullmatch(value):
        raise ValueError("invocation_id must be 32 hexadecimal digits")
    return value


def main() -> int:
    """Answer the question that stands in stdin, a connection of the socket; the exit code.

    Its arguments are the site and its user: of a peer, PrivateUsers= would hide the number.
    """
    site, user = config.check_site_name(sys.argv[1]), pwd.getpwnam(sys.argv[2]).pw_uid
    with socket.socket(fileno=0) as connection:
        text = b"".join(iter(lambda: connection.recv(MOST_BYTES), b""))[:MOST_BYTES]
        try:
            said = answer(site, user, json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            print(f"not answered: {error!r:.200}", file=sys.stderr)
            return 2
        connection.sendall(json.dumps(said).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
