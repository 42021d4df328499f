"""Send the mails that wait: failures for one cause as one, recoveries as one. What no server takes stays."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage

from linod_systemd import app_settings
from linod_systemd.common import files
from linod_systemd.common.text import visible_line
from linod_systemd.common.time_limit import time_limit
from linod_systemd.jobs import outbox
from linod_systemd.jobs.outbox import Mail
from linod_systemd.sites import config

logger = logging.getLogger("linod.people")

SECONDS = 30.0  # for one mail, whatever the time-out of the backend
DAYS = 3.0  # after which a mail that no server takes is given up
MOST_LISTED = 100


def addresses() -> list[str]:
    """Those of LINOD_MAIL_TO, or else of ADMINS."""
    admins = [entry if isinstance(entry, str) else entry[1] for entry in settings.ADMINS]
    return list(app_settings.get("LINOD_MAIL_TO")) or admins


def send(site: config.Site, *, only_due: bool) -> str:
    """Send the mails that wait; what went wrong, in words, or nothing. To be called by a main thread.

    :param only_due: whether those stay for which others of their cause may still come.
    """
    due = outbox.due(site)
    if due is None or (only_due and due > time.time()):
        return ""
    try:
        with files.held(site.outbox_directory / "lock", 0.0):
            return _send(outbox.waiting(site))
    except TimeoutError:
        return ""  # another process is sending them


def _send(waiting: Sequence[Path]) -> str:
    read = [(path, found) for path in waiting if (found := _read(path)) is not None]
    error = ""
    for paths, one in _gathered(read):
        error = _sent(one) or error
        if not error or time.time() - one.at > DAYS * 86400:
            for path in paths:
                path.unlink(missing_ok=True)
        if error and time.time() - one.at > DAYS * 86400:
            logger.error("the mail “%s” is given up: no server took it for %.0f days", one.subject, DAYS)
        elif error:
            break  # the others would wait for the same server
    return error


def _read(path: Path) -> Mail | None:
    try:
        return outbox.read(path)
    except (ValueError, TypeError) as error:
        aside = path.with_suffix(".bad")
        path.rename(aside)
        logger.error("%s is no mail that can be sent: %s", aside, error)
        return None


def _gathered(read: Sequence[tuple[Path, Mail]]) -> Iterator[tuple[list[Path], Mail]]:
    """Yield the mails to be sent, each with the files that it stands for."""
    groups: dict[tuple[str, str], list[tuple[Path, Mail]]] = {}
    for number, (path, one) in enumerate(read):
        key = {outbox.FAILURE: one.cause, outbox.RECOVERY: ""}.get(one.kind, str(number))
        groups.setdefault((one.kind, key), []).append((path, one))
    for group in groups.values():
        mails = [one for _, one in group]
        if len({one.rule for one in mails}) > 1:
            yield [path for path, _ in group], _as_one(mails)
        else:
            yield from (([path], one) for path, one in group)


def _as_one(mails: Sequence[Mail]) -> Mail:
    """Return one mail for several: of failures for one cause, or of recoveries."""
    first, count = mails[0], len({one.rule for one in mails})
    lines = [f"  {one.summary}" for one in mails[:MOST_LISTED]]
    if len(mails) > MOST_LISTED:
        lines.append(f"  and {len(mails) - MOST_LISTED} more")
    if first.kind == outbox.RECOVERY:
        subject, head = f"{count} rules have recovered on {first.host}", "These rules have succeeded again:"
    else:
        subject = f"{count} rules failed on {first.host} for one cause: {first.cause[:100]}"
        head = f"These rules failed for one cause:\n  {first.cause}"
    text = "\n".join([head, "", *lines, "", "The first of them in full:", "", first.text])
    return Mail(subject, text, first.kind, at=first.at)


def _sent(one: Mail) -> str:
    """Send one mail; the error, or nothing. A backend may raise whatever it likes."""
    subject = f"{settings.EMAIL_SUBJECT_PREFIX}{visible_line(one.subject)}"
    try:
        with time_limit(SECONDS, TimeoutError(f"no answer within {SECONDS:g} s")):
            EmailMessage(subject, one.text, settings.SERVER_EMAIL, addresses()).send()
    except Exception as error:
        logger.error("the mail “%s” was not sent: %s: %s", subject, type(error).__name__, error)
        return f"a mail was not sent: {type(error).__name__}: {error}"
    return ""
