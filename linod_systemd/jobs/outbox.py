"""Keep mails until they are sent: one JSON file each. Nothing that has a mail to send waits for a server.

Nothing here imports Django: the supervisor looks, and has a process of its own send them (mail_sender.py).
"""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from linod_systemd.common import files
from linod_systemd.sites import config

FAILURE, RECOVERY, OTHER = "failure", "recovery", "other"


@dataclass(frozen=True)
class Mail:
    """A mail to the people of a site.

    ``kind``: FAILURE, RECOVERY or OTHER; ``at``: when it was written (seconds since the epoch); ``rule`` and
    ``cause``: of a failure, by which several are made one mail; ``summary``: one line for that.
    """

    subject: str
    text: str
    kind: str = OTHER
    rule: str = ""
    host: str = ""
    cause: str = ""
    summary: str = ""
    at: float = 0.0


def put(site: config.Site, mail: Mail, gather: float) -> None:
    """Keep a mail to be sent.

    :param gather: seconds in which others for one cause may come, to be sent with it.
    :raises OSError: where it cannot be kept.
    """
    folder = site.outbox_directory
    folder.mkdir(mode=0o750, exist_ok=True)
    name = f"{int((mail.at + gather) * 1e6):020d}-{uuid.uuid4().hex}.json"
    files.write_atomically(folder / name, json.dumps(asdict(mail)) + "\n", mode=0o640)


def waiting(site: config.Site) -> list[Path]:
    """Return the files of the mails that wait, in the order in which they are due."""
    return sorted(site.outbox_directory.glob("*.json"), key=lambda path: path.name)


def read(path: Path) -> Mail:
    """:raises ValueError, TypeError: for what is no mail."""
    return Mail(**json.loads(path.read_text(encoding="utf-8")))


def due(site: config.Site) -> float | None:
    """Return when the first of them is to be sent (seconds since the epoch); None: none waits."""
    found = waiting(site)
    if not found:
        return None
    at = found[0].name.partition("-")[0]
    return int(at) / 1e6 if at.isdigit() else 0.0  # what is no mail is put aside at once


def is_left_to_supervisor(site: config.Site) -> bool:
    """Whether the supervisor sends them: the site is configured, or this process is one of its units."""
    return site.supervisor and (site.configured or "LINOD_BOOT_ID" in os.environ)
