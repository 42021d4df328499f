"""Read an instant, a span of time, a month or a number that a person typed (``type=`` of argparse).

Each raises ArgumentTypeError, with an example of what is right.
"""

from __future__ import annotations

import argparse
import calendar
import re
from datetime import UTC, date, datetime, timedelta

MOST_LINES = 100_000
SECONDS_OF = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def moment(text: str) -> datetime:
    """An ISO 8601 instant, with an offset or without."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no instant such as 2026-11-24T04:00:00+00:00"
        ) from None


def duration(text: str) -> timedelta:
    """A number with its unit, such as 30m."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if found is None or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90s, 30m, 2h or 3d")
    return timedelta(seconds=int(found[1]) * SECONDS_OF[found[2]])


def month(text: str) -> tuple[date, date]:
    """A month such as 2026-12: its first and last date."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no month such as 2026-12") from None
    return first, first.replace(day=calendar.monthrange(first.year, first.month)[1])


def instant(text: str) -> datetime:
    """An ISO 8601 instant; one without an offset is UTC."""
    value = moment(text)
    value = value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise argparse.ArgumentTypeError(f"{text!r} lies beyond the years 1 to 9999") from None


def count(text: str) -> int:
    """How many lines of a list."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_LINES and len(text) < 9):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to {MOST_LINES}")
    return int(text)
