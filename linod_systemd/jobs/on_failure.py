"""The program that OnFailure= and OnSuccess= of a job start: ``linod record-end RULE``.

systemd tells it how the job ended by the MONITOR_* variables of systemd.exec(5) (docs/systemd-facts.md, 23).
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from linod_systemd.errors import LinodError
from linod_systemd.jobs import spool
from linod_systemd.sites import config, load
from linod_systemd.systemd import service_result
from linod_systemd.systemd.journal_client import JournalAway
from linod_systemd.systemd.service_result import ServiceResult, StillRunning


def record_end(site: config.Site, rule: str) -> int:
    """Write how the job of a rule ended, as MONITOR_* in the environment say; the exit code.

    Where the site does not load, or its database is away, the spool keeps that until it can be written.

    :raises LinodError: where the site does not load.
    """
    result = ServiceResult.from_environment(os.environ)
    try:
        load.load(site)
    except LinodError:
        message = service_result.complete_text(site, result.invocation_id)
        spool.put_end(site, rule, result, message, datetime.now(UTC))
        raise
    # Not asked before the site is loaded: by then PID 1's last line is in the journal, most times.
    _record(site, rule, result, service_result.complete_text(site, result.invocation_id))
    return 0


def _record(site: config.Site, rule: str, result: ServiceResult, message: str) -> None:
    from linod_systemd.jobs import mail, reconcile, record_end
    from linod_systemd.store import database

    try:
        with database.reachable(site):
            reconcile.drain(site)
            if _runs_again(site, rule, result.invocation_id):
                return  # these are not the words about the run that ended
            record_end.by_systemd(site, rule, result, message)
            mail.send_here(site)
    except database.DatabaseAway as error:
        spool.put_end(site, rule, result, message, datetime.now(UTC))
        print(f"linod: the end of a job is kept in {site.spool_directory}, as {error}", file=sys.stderr)


def _runs_again(site: config.Site, rule: str, invocation_id: str) -> bool:
    try:
        return isinstance(service_result.last_known(site, rule, invocation_id), StillRunning)
    except JournalAway:  # that is asked only where the unit itself is of another run
        return False
