"""Tell a site what systemd and its own units logged, and nothing of its neighbours.

A member of the group systemd-journal can read the log of the whole host, so no process of a site is one.
linod-journal-SITE.socket, which only the site's user can open, starts this program for each question, with a
python and code that are root's. A question is one JSON object, the answer a JSON value (journal.QUESTIONS).
"""

from __future__ import annotations

import json
import pwd
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from linod_systemd.common import unit_names
from linod_systemd.sites import config
from linod_systemd.systemd import journal

ANSWER_SECONDS = 20.0  # seconds for an answer: a large journal is slow to search
MOST_BYTES = 1000  # of a question
FOLDER = Path("/run/linod")


def path(site: config.Site) -> Path:
    """Where the socket of a site lies, if it has one."""
    return FOLDER / f"{site.name}.journal"


def send_question(path: Path, question: Mapping[str, Any]) -> Any:
    """The answer to a question.

    :raises FileNotFoundError: where there is no such socket.
    :raises OSError: where it does not answer.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(str(path))
        connection.sendall(json.dumps(dict(question)).encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    try:
        return json.loads(answer)
    except ValueError:
        raise OSError(f"it said {answer[:100]!r}; see journalctl -u 'linod-journal-*'") from None


def main() -> int:
    """Answer the question that stands in stdin, a connection of the socket; the exit code.

    Its arguments are the site and its user: of a peer, PrivateUsers= would hide the number.
    """
    site, user = config.check_site_name(sys.argv[1]), pwd.getpwnam(sys.argv[2]).pw_uid
    asker = journal.Asker(site, user, unit_names.services_of(site))
    with socket.socket(fileno=0) as connection:
        text = b"".join(iter(lambda: connection.recv(MOST_BYTES), b""))[:MOST_BYTES]
        try:
            said = journal.answer(asker, json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            print(f"not answered: {error!r:.200}", file=sys.stderr)
            return 2
        connection.sendall(json.dumps(said).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
