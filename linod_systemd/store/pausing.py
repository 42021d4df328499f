"""Begin and end a pause of a rule, or of the whole site; rules.json follows on commit."""

from __future__ import annotations

from datetime import datetime

from linod_systemd import clock
from linod_systemd.errors import LinodError
from linod_systemd.recurrence.dates import LAST_ELAPSE_YEAR
from linod_systemd.store import database, export
from linod_systemd.store.pause import Pause


class PauseError(LinodError):
    """A pause that cannot be begun."""


def begin(rule: str, until: datetime, note: str = "", by: str = "") -> None:
    """Pause a rule (WHOLE_SITE: all) until an instant (aware); in the place of a pause of it that holds.

    :raises PauseError: where that is past, or later than systemd knows.
    """
    now = clock.utc_now()
    if until <= now:
        raise PauseError(
            f"a pause cannot end at {until.isoformat(' ', 'seconds')}, which is past", "name a time to come"
        )
    if until.year >= LAST_ELAPSE_YEAR:
        raise PauseError(
            f"a pause cannot end at {until.isoformat(' ', 'seconds')}",
            f"name a time before {LAST_ELAPSE_YEAR}, or cancel the rule",
        )
    with database.atomic():
        end(rule)
        Pause.objects.create(
            rule_name=rule,
            since=clock.to_database(now),
            until=clock.to_database(until),
            note=note[:200],
            by=by[:150],
        )
        export.on_commit()


def end(rule: str) -> bool:
    """End the pause of a rule (WHOLE_SITE: of all) now; whether there was one."""
    now = clock.utc_now()
    held = Pause.objects.overlapping(now, now).filter(rule_name=rule)
    ended = held.update(until=clock.to_database(now))
    export.on_commit()
    return bool(ended)
