"""The fields of a recurrence, and whether they can go together (docs/recurrence.md). Pure, without Django."""

from __future__ import annotations

import dataclasses
import difflib
import zoneinfo
from dataclasses import dataclass
from datetime import date, datetime, time

from linod_systemd.recurrence.dates import LAST_ELAPSE_YEAR

UNITS = (
    *("never", "once", "secondly", "minutely", "hourly"),
    *("daily", "weekly", "per_weekday", "monthly", "yearly", "easter"),
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SECONDS_OF_A_DAY = 86400
FIRST_YEAR = 1583  # the first whole one of the Gregorian calendar
LONGEST_EVERY = 10**9
POSITION_LIMITS = {"weekly": 7, "monthly": 31, "yearly": 366}
SAME_WEEKDAY = {"weekly": 1, "monthly": 5, "yearly": 53}  # at most so many Mondays are in one


class RecurrenceError(ValueError):
    """An impossible recurrence: ``field`` names what is at fault, ``reason`` says why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class RecurrenceFields:
    """The fields that say when something is due: the one list of them. Nothing is judged here.

    Times are on the wall clock of ``timezone``; None: of the site's. Example, 04:00 on every second Monday::

        RecurrenceFields(every_unit="weekly", every=2, start_date=date(2026, 1, 5), start_time=time(4))
    """

    every_unit: str = "daily"
    every: int = 1
    start_date: date
    start_time: time | None = None
    end_date: date | None = None
    end_time: time | None = None
    max_events: int | None = None
    positions: str = ""
    weekdays: tuple[str, ...] = ()
    timezone: str | None = None


NAMES = tuple(field.name for field in dataclasses.fields(RecurrenceFields))


def check(fields: RecurrenceFields) -> None:
    """Judge the fields, each by itself and together.

    :raises RecurrenceError: for what no field can hold, and for what cannot go together.
    """
    _check_unit(fields)
    _check_dates(fields)
    _check_weekdays(fields)
    _check_positions(fields)
    if fields.end_time is not None and fields.end_date is None:
        raise RecurrenceError("end_time", "needs an end_date")
    if fields.max_events is not None and not is_whole(fields.max_events, 1):
        raise RecurrenceError("max_events", "must be a whole number, 1 or more")


def _check_unit(fields: RecurrenceFields) -> None:
    if fields.every_unit not in UNITS:
        raise RecurrenceError("every_unit", f"{fields.every_unit!r} is none of {', '.join(UNITS)}")
    if not is_whole(fields.every, 1) or fields.every > LONGEST_EVERY:
        raise RecurrenceError("every", f"{fields.every!r} is no whole number from 1 to {LONGEST_EVERY}")
    try:
        zoneinfo.ZoneInfo(fields.timezone or "")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise RecurrenceError(
            "timezone", f"{fields.timezone!r} is no time zone{_nearest(fields.timezone)}"
        ) from None


def _check_dates(fields: RecurrenceFields) -> None:
    for field, day in (("start_date", fields.start_date), ("end_date", fields.end_date)):
        is_missing = day is None and field == "end_date"
        if not is_missing and (not isinstance(day, date) or isinstance(day, datetime)):
            raise RecurrenceError(field, f"{day!r} is no date")
    if not FIRST_YEAR <= fields.start_date.year <= LAST_ELAPSE_YEAR:
        raise RecurrenceError("start_date", f"the year is not from {FIRST_YEAR} to {LAST_ELAPSE_YEAR}")
    for field, moment in (("start_time", fields.start_time), ("end_time", fields.end_time)):
        if moment is not None and (
            not isinstance(moment, time) or moment.tzinfo is not None or moment.microsecond
        ):
            raise RecurrenceError(field, "must be hours, minutes and seconds alone")


def _check_weekdays(fields: RecurrenceFields) -> None:
    if isinstance(fields.weekdays, str):
        raise RecurrenceError("weekdays", f"{fields.weekdays!r} is no list of weekdays")
    for day in fields.weekdays:
        if day not in WEEKDAYS:
            raise RecurrenceError("weekdays", f"{day!r} is none of {', '.join(WEEKDAYS)}")
    if len(set(fields.weekdays)) != len(fields.weekdays):
        raise RecurrenceError("weekdays", "a day stands twice")


def _check_positions(fields: RecurrenceFields) -> None:
    if not isinstance(fields.positions, str):
        raise RecurrenceError("positions", f"{fields.positions!r} is no text such as '1 -1'")
    places = fields.positions.split()
    if not places:
        return
    if fields.every_unit not in POSITION_LIMITS:
        raise RecurrenceError(
            "positions", f"allowed for weekly, monthly, yearly only, not {fields.every_unit}"
        )
    limit = POSITION_LIMITS[fields.every_unit]
    for place in places:
        digits = place[1:] if place[0] in "+-" else place
        if not (digits.isascii() and digits.isdigit() and len(digits) < 9 and 1 <= int(digits) <= limit):
            raise RecurrenceError("positions", f"{place!r} is not 1 to {limit} or -1 to -{limit}")
    most = min(limit, len(fields.weekdays or WEEKDAYS) * SAME_WEEKDAY[fields.every_unit])
    if min(abs(int(place)) for place in places) > most:
        raise RecurrenceError("positions", f"there are never more than {most} such days")


def _nearest(zone: object) -> str:
    """The zone that may be meant, for the end of a sentence."""
    known = {name.lower(): name for name in zoneinfo.available_timezones()}
    near = difflib.get_close_matches(str(zone)[:100].strip().lower(), known, n=1, cutoff=0.7)
    return f", did you mean {known[near[0]]}?" if near else ""


def is_whole(value: object, least: int) -> bool:
    """Whether a value is a whole number, ``least`` or more; True is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
