"""List the occurrences of all rules between two dates, and the crowded hours. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

from linod_systemd.recurrence import wall_clock
from linod_systemd.recurrence.dates import DAY
from linod_systemd.recurrence.periods import INSTANT
from linod_systemd.recurrence.recurrence_set import RecurrenceSet

OFTEN = 6  # a rule that is due more often than so many times on a day is told of once
CROWD = 3  # so many rules that start within one hour make it crowded


@dataclass(frozen=True)
class Entry:
    """A rule, when it is due, in one sentence, and the times in which it is paused (aware)."""

    name: str
    recurrence: RecurrenceSet
    sentence: str
    pauses: Sequence[tuple[datetime, datetime]] = ()

    def due(self, begin: datetime, end: datetime) -> Iterable[datetime]:
        """The occurrences from ``begin`` to before ``end``."""
        found = takewhile(lambda instant: instant < end, self.recurrence.occurrences(begin - INSTANT))
        return (
            instant for instant in found if not any(since <= instant < until for since, until in self.pauses)
        )


@dataclass(frozen=True)
class Agenda:
    """``days``: the runs of each date, on the wall clock of ``zone``; ``often``: the rules that run too often
    to be listed; ``crowded``: the hours (their beginnings) in which many rules start, and which."""

    zone: ZoneInfo
    first: date
    last: date
    days: dict[date, list[tuple[datetime, str]]]
    often: list[Entry]
    crowded: dict[datetime, list[str]]


def of(entries: Iterable[Entry], first: date, last: date, zone: ZoneInfo, now: datetime) -> Agenda:
    """Collect the occurrences from one date to another (both included), but none before ``now`` (aware)."""
    begin = max(now.astimezone(UTC), wall_clock.in_utc(first, time(), zone))
    end = wall_clock.in_utc(last + DAY, time(), zone)
    days: dict[date, list[tuple[datetime, str]]] = {
        first + number * DAY: [] for number in range((last - first).days + 1)
    }
    hours: dict[datetime, list[str]] = defaultdict(list)
    often = []
    for entry in entries:
        if _is_often(entry, begin, end):
            often.append(entry)
            continue
        for instant in entry.due(begin, end):
            local = instant.astimezone(zone)
            days[local.date()].append((local, entry.name))
            hour = local.replace(minute=0, second=0, microsecond=0)
            if entry.name not in hours[hour]:
                hours[hour].append(entry.name)
    for runs in days.values():
        runs.sort(key=lambda run: run[0].astimezone(UTC))
    crowded = {hour: hours[hour] for hour in sorted(hours) if len(hours[hour]) >= CROWD}
    return Agenda(zone, first, last, days, often, crowded)


def _is_often(entry: Entry, begin: datetime, end: datetime) -> bool:
    """Whether it is due more than OFTEN times within 24 hours of its next occurrence."""
    first = next(iter(entry.due(begin, end)), None)
    if first is None:
        return False
    within = islice(entry.due(first, min(end, first + DAY)), OFTEN + 1)
    return sum(1 for _ in within) > OFTEN


def week(today: date) -> tuple[date, date]:
    """Seven days from today on."""
    return today, today + 6 * DAY
