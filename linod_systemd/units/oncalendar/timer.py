"""Make the lines of a [Timer] section of a RecurrenceSet (systemd.time(7), docs/recurrence.md). Pure."""

from __future__ import annotations

import functools
from datetime import UTC, datetime

from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.units.oncalendar import dates, times
from linod_systemd.units.oncalendar.expressions import Lines

DAYS, COUNT = 400, 100


def timer_lines(
    recurrence: RecurrenceSet, now: datetime, *, days: int = DAYS, count: int = COUNT
) -> list[str]:
    """The lines that elapse at the occurrences strictly after ``now``.

    ``OnCalendar=…``, or for a monotonic rule ``OnBootSec=`` and ``OnUnitActiveSec=``.

    :param days: what has to be listed is listed for at least so many days or ``count`` instants, whichever
        is shorter, or to the end of the series.
    :returns: no line at all where it is never due again.
    """
    return list(_compute(recurrence, now.astimezone(UTC), days, count).texts)


def horizon_end(
    recurrence: RecurrenceSet, now: datetime, *, days: int = DAYS, count: int = COUNT
) -> datetime | None:
    """The instant (UTC) until which the lines of :func:`timer_lines` hold; None: for ever."""
    return _compute(recurrence, now.astimezone(UTC), days, count).until


def is_over(recurrence: RecurrenceSet, now: datetime) -> bool:
    """Whether it is never due after ``now``, or beyond what systemd knows, so that it has no timer."""
    if recurrence.is_monotonic and recurrence.anchor <= now:
        return recurrence.last is not None and recurrence.last <= now
    return not recurrence.elapses_after(now)


@functools.lru_cache(maxsize=256)
def _compute(recurrence: RecurrenceSet, now: datetime, days: int, count: int) -> Lines:
    if is_over(recurrence, now):
        return Lines()
    if recurrence.is_monotonic:
        return _monotonic(recurrence, now)
    module = dates if recurrence.period is None else times
    found = module.expressions(recurrence, now, days, count)
    return Lines(tuple(f"OnCalendar={text}" for text in found.texts), found.until)


def _monotonic(recurrence: RecurrenceSet, now: datetime) -> Lines:
    active = f"OnUnitActiveSec={recurrence.period}s"
    if recurrence.anchor > now:
        # OnBootSec= would fire before the start; after the first run the lines have to change.
        first = recurrence.next_after(now) or recurrence.anchor
        return Lines((f"OnCalendar={first:%Y-%m-%d %H:%M:%S} UTC", active), first)
    # OnActiveSec= would fire again at every daemon-reload; OnBootSec= does not.
    boot = f"OnBootSec={recurrence.delay}s" if recurrence.delay else "OnBootSec=0"
    return Lines((boot, active), recurrence.last)
