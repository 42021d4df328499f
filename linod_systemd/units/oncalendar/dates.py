"""Make the OnCalendar= expressions of a recurrence of days and more. Pure.

What systemd's language can say stands there for ever; what it cannot is listed, up to a horizon. systemd
leaves out a time that does not exist; the time at which the rule is due then stands beside.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from linod_systemd.recurrence import wall_clock
from linod_systemd.recurrence.recurrence_set import LAST_ELAPSE, RecurrenceSet
from linod_systemd.units.oncalendar import patterns
from linod_systemd.units.oncalendar.expressions import DateExpression, Lines, listed

MAX_LINES = 48
FEW = 12  # instants that are listed of what is rarely due, however far off
DAY = timedelta(days=1)
YEARS = timedelta(days=15 * 366)
INSTANT = timedelta(microseconds=1)
SETTLED = timedelta(days=40)  # after a start; what weekdays moved forward from before it has passed
AROUND = timedelta(days=4)  # of a jump: a delay is a day at most


def expressions(recurrence: RecurrenceSet, now: datetime, days: int, count: int) -> Lines:
    """The expressions that elapse at the occurrences after ``now`` (UTC): see oncalendar.timer_lines."""
    until = now + days * DAY
    whole = _ends_soon(recurrence, now, until, count)
    # What is said for ever is compared up to ``until``: nothing may come between that and the start.
    lasting = None if whole or recurrence.anchor > until else _forever(recurrence, now, until)
    return lasting or _list(recurrence, now, until, count, whole)


def _ends_soon(recurrence: RecurrenceSet, now: datetime, until: datetime, count: int) -> bool:
    if _last(recurrence) is None:
        return False
    further = next(itertools.islice(recurrence.occurrences(now), count, None), None)
    return further is None or recurrence.next_after(until) is None


def _last(recurrence: RecurrenceSet) -> datetime | None:
    """Its end, if systemd knows of so late an instant."""
    return recurrence.last if recurrence.last is None or recurrence.last <= LAST_ELAPSE else None


def _forever(recurrence: RecurrenceSet, now: datetime, until: datetime) -> Lines | None:
    """Expressions of which none is a list, if up to ``until`` they elapse at no other time than they should.

    Those of a recurrence that ends stop with the year before; its last year is listed.
    """
    zone = recurrence.zone
    carried, at = wall_clock.later(recurrence.start_time or time(), recurrence.delay)
    wanted = _delayed(patterns.expressions(recurrence.series), carried)
    if wanted is None or wall_clock.lacks_new_year(zone, now, _last(recurrence) or now + YEARS):
        return None
    if wall_clock.is_repeated(now, zone):
        return None  # of the two times that lie ahead systemd may take either
    windows = _windows(recurrence, now, until)
    due = {instant for begin, end in windows for instant in _due(recurrence, begin, end)}
    if (last := _last(recurrence)) is not None:
        year = last.astimezone(zone).year
        bounded = (expression.within(now.astimezone(zone).year, year - 1) for expression in wanted)
        wanted = [expression for expression in bounded if expression is not None]
        due.update(
            recurrence.occurrences(max(now, wall_clock.in_utc(date(year, 1, 1), time(), zone) - INSTANT))
        )
    elapsing = {instant for begin, end in windows for instant in _elapsing(wanted, at, zone, begin, end)}
    if not elapsing <= due:
        return None
    lines = [f"{expression} {at:%H:%M:%S} {zone.key}" for expression in wanted]
    # A country may let its clock jump at another time in some years.
    jumps = wall_clock.transitions(zone, now, now + YEARS, step=7 * DAY)
    lasts = not any(_upsets(jump, recurrence) for jump in jumps)
    return Lines((*lines, *_dated(sorted(due - elapsing), zone)), None if lasts else until)


def _windows(recurrence: RecurrenceSet, now: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Where the words may say something else than the recurrence: long after its start only near a jump of
    the clock, as dates they have in common."""
    if _last(recurrence) is not None or now - recurrence.anchor < SETTLED:
        return [(now, until)]
    jumps = wall_clock.transitions(recurrence.zone, now - AROUND, until + AROUND)
    around = [(max(now, jump.instant - AROUND), min(until, jump.instant + AROUND)) for jump in jumps]
    return [(begin, end) for begin, end in around if begin < end]


def _due(recurrence: RecurrenceSet, begin: datetime, end: datetime) -> Iterator[datetime]:
    return itertools.takewhile(lambda instant: instant <= end, recurrence.occurrences(begin))


def _delayed(wanted: list[DateExpression] | None, days: int) -> list[DateExpression] | None:
    """The expressions for the days to which a delay carries the occurrences over."""
    for _ in range(days if wanted else 0):
        later = [expression.a_day_later() for expression in wanted or ()]
        wanted = [expression for expression in later if expression is not None]
        if len(wanted) < len(later):
            return None
    return wanted


def _upsets(jump: wall_clock.Transition, recurrence: RecurrenceSet) -> bool:
    """Whether near this jump of the clock the rule is not due when the clock shows the usual time."""
    zone, at = recurrence.zone, recurrence.start_time or time()
    carried, later = wall_clock.later(at, recurrence.delay)
    if jump.skips(later):
        return True
    days = (jump.before.date() + number * DAY for number in range(-2, 3))
    return recurrence.delay > 0 and any(
        wall_clock.in_utc(day, at, zone) + recurrence.shift
        != wall_clock.in_utc(day + carried * DAY, later, zone)
        for day in days
    )


def _elapsing(
    wanted: Sequence[DateExpression], at: time, zone: ZoneInfo, now: datetime, until: datetime
) -> Iterator[datetime]:
    """When systemd elapses after ``now``: never at a time that does not exist, once if it is there twice."""
    jumps = wall_clock.transitions(zone, now - 2 * DAY, until + 2 * DAY)
    skipped = {jump.skips(at) for jump in jumps}
    day = now.astimezone(zone).date() - DAY
    while (instant := wall_clock.in_utc(day, at, zone)) <= until:
        if instant > now and day not in skipped and any(one.matches(day) for one in wanted):
            yield instant
        day += DAY


def _list(recurrence: RecurrenceSet, now: datetime, until: datetime, count: int, whole: bool) -> Lines:
    """The dates until past ``until`` and at least a few, or the ``whole`` series."""
    instants: list[datetime] = []
    for instant in recurrence.occurrences(now):
        if instant > LAST_ELAPSE:
            break
        instants.append(instant)
        if not whole and len(instants) >= FEW and instant > until:
            break
    is_complete = not recurrence.elapses_after(instants[-1])
    within = len(instants) if is_complete else sum(instant <= until for instant in instants)
    needed = max(1, min(count, within))
    zone = (
        ZoneInfo("UTC") if wall_clock.lacks_new_year(recurrence.zone, now, instants[-1]) else recurrence.zone
    )
    lines = _dated(instants, zone)
    while len(lines) > MAX_LINES and len(instants) > needed:
        instants = instants[: max(needed, len(instants) * 3 // 4)]
        lines = _dated(instants, zone)
    return Lines(tuple(lines), instants[-1] if recurrence.elapses_after(instants[-1]) else None)


def _dated(instants: Iterable[datetime], zone: ZoneInfo) -> list[str]:
    """Instants, on the wall clock of the zone where that is clear, those of one time of day together.

    Which of two instants systemd takes depends on what its process computed before (mktime(3)).
    """
    groups: dict[str, list[date]] = defaultdict(list)
    for instant in instants:
        local = instant.astimezone(zone)
        if local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset():
            groups[f"{instant:%H:%M:%S} UTC"].append(instant.date())
        else:
            groups[f"{local:%H:%M:%S} {zone.key}"].append(local.date())
    return [f"{dates} {at}" for at, days in groups.items() for dates in listed(days)]
