"""Find rules that have not succeeded for longer than ``missed_after``; mail that once, and the end of it.

Which they know of is kept in a file of the state folder.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime

from linod_systemd import clock
from linod_systemd.common import files
from linod_systemd.jobs import health, mail, mail_sender
from linod_systemd.jobs.health import Health
from linod_systemd.recurrence import english
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.next_due import local

logger = logging.getLogger("linod.silence")


def tell(site: config.Site) -> None:
    """Look at all rules, and tell what is new.

    :raises OSError: where the state folder cannot be written.
    """
    path = site.silence_file
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    now, before = clock.utc_now(), dict(known)
    found = health.of([rule for rule in rule_store.current().rules() if rule.rule.missed_after], now)
    silent = {one.rule.name: one for one in found if one.silent_since is not None}
    for name, one in silent.items():
        if name not in known:
            is_kept = _tell_of(site, one, now)
            if is_kept or not mail_sender.addresses():  # else the next check tries again
                known[name] = now.isoformat()
    for name in set(known) - set(silent):
        del known[name]
        logger.info("%s has succeeded again, or is not waited for any more", name)
        mail.mail(
            f"{name} of site {site.name} is not missed any more",
            "It has succeeded again, or was cancelled, paused or removed.\n\n"
            f"  {config.command(site.name, 'jobs', name)}\n",
        )
    if known != before:
        files.write_atomically(path, json.dumps(known) + "\n", mode=0o640)


def _tell_of(site: config.Site, one: Health, now: datetime) -> bool:
    """Log that a rule has not succeeded for too long, and mail it; whether the mail was sent."""
    name, since = one.rule.name, one.silent_since or now
    limit = english.span(one.rule.rule.missed_after or 0)
    logger.error("%s has not succeeded since %s, for more than %s", name, local(since), limit)
    status, jobs = config.command(site.name, "status"), config.command(site.name, "jobs", name)
    text = (
        f"The rule {name} of site {site.name} has not succeeded since {local(since)}.\n\n"
        f"To look further:\n  {status}\n  {jobs}\n"
        "  systemctl list-timers 'linod-*'\n"
    )
    return mail.mail(f"{name} of site {site.name} has not succeeded for more than {limit}", text)
