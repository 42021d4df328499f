"""What a recurrence says, and whether that is possible at all (RECURRENCE.md). Pure, without Django."""

from __future__ import annotations

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
    """The fields of a rule that say when it is due; times are on the wall clock of ``timezone``.

    ``delay`` is in seconds of elapsed time.

    :raises RecurrenceError: for what no field can hold, and for what cannot go together.
    """

    every_unit: str
    every: int = 1
    start_date: date
    start_time: time | None = None
    end_date: date | None = None
    end_time: time | None = None
    max_events: int | None = None
    positions: str = ""
    weekdays: tuple[str, ...] = ()
    timezone: str = "UTC"
    delay: int = 0

    def __post_init__(self) -> None:
        self._check_unit()
        self._check_dates()
        self._check_weekdays()
        self._check_positions()
        if self.end_time is not None and self.end_date is None:
            raise RecurrenceError("end_time", "needs an end_date")
        if self.max_events is not None and not _is_whole(self.max_events, 1):
            raise RecurrenceError("max_events", "must be a whole number, 1 or more")
        if not _is_whole(self.delay, 0) or self.delay > SECONDS_OF_A_DAY:
            raise RecurrenceError("delay", f"{self.delay!r} is no whole number from 0 to {SECONDS_OF_A_DAY}")

    def _check_unit(self) -> None:
        if self.every_unit not in UNITS:
            raise RecurrenceError("every_unit", f"{self.every_unit!r} is none of {', '.join(UNITS)}")
        if not _is_whole(self.every, 1) or self.every > LONGEST_EVERY:
            raise RecurrenceError("every", f"{self.every!r} is no whole number from 1 to {LONGEST_EVERY}")
        try:
            zoneinfo.ZoneInfo(self.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
            raise RecurrenceError(
                "timezone", f"{self.timezone!r} is no time zone{_nearest(self.timezone)}"
            ) from None

    def _check_dates(self) -> None:
        for field, day in (("start_date", self.start_date), ("end_date", self.end_date)):
            is_missing = day is None and field == "end_date"
            if not is_missing and (not isinstance(day, date) or isinstance(day, datetime)):
                raise RecurrenceError(field, f"{day!r} is no date")
        if not FIRST_YEAR <= self.start_date.year <= LAST_ELAPSE_YEAR:
            raise RecurrenceError("start_date", f"the year is not from {FIRST_YEAR} to {LAST_ELAPSE_YEAR}")
        for field, moment in (("start_time", self.start_time), ("end_time", self.end_time)):
            if moment is not None and (
                not isinstance(moment, time) or moment.tzinfo is not None or moment.microsecond
            ):
                raise RecurrenceError(field, "must be hours, minutes and seconds alone")

    def _check_weekdays(self) -> None:
        if isinstance(self.weekdays, str):
            raise RecurrenceError("weekdays", f"{self.weekdays!r} is no list of weekdays")
        object.__setattr__(self, "weekdays", tuple(self.weekdays))  # a list would not be hashable
        for day in self.weekdays:
            if day not in WEEKDAYS:
                raise RecurrenceError("weekdays", f"{day!r} is none of {', '.join(WEEKDAYS)}")
        if len(set(self.weekdays)) != len(self.weekdays):
            raise RecurrenceError("weekdays", "a day stands twice")

    def _check_positions(self) -> None:
        if not isinstance(self.positions, str):
            raise RecurrenceError("positions", f"{self.positions!r} is no text such as '1 -1'")
        places = self.positions.split()
        if not places:
            return
        if self.every_unit not in POSITION_LIMITS:
            raise RecurrenceError(
                "positions", f"allowed for weekly, monthly, yearly only, not {self.every_unit}"
            )
        limit = POSITION_LIMITS[self.every_unit]
        for place in places:
            digits = place[1:] if place[0] in "+-" else place
            if not (digits.isascii() and digits.isdigit() and len(digits) < 9 and 1 <= int(digits) <= limit):
                raise RecurrenceError("positions", f"{place!r} is not 1 to {limit} or -1 to -{limit}")
        most = min(limit, len(self.weekdays or WEEKDAYS) * SAME_WEEKDAY[self.every_unit])
        if min(abs(int(place)) for place in places) > most:
            raise RecurrenceError("positions", f"there are never more than {most} such days")


def _nearest(zone: object) -> str:
    """The zone that may be meant, for the end of a sentence."""
    known = {name.lower(): name for name in zoneinfo.available_timezones()}
    near = difflib.get_close_matches(str(zone)[:100].strip().lower(), known, n=1, cutoff=0.7)
    return f", did you mean {known[near[0]]}?" if near else ""


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
