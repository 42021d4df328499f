"""Say how long something took, and how far an instant is from now: ``12.50 s``, ``3 hours ago``."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timesince, translation


def span(length: timedelta) -> str:
    """A span of time in its largest unit: ``40 seconds``, ``5 minutes``, ``3 hours``, ``2 days``."""
    seconds = int(length.total_seconds())
    if seconds < 60:
        return f"{max(seconds, 0)} second{'' if seconds == 1 else 's'}"
    epoch = datetime(2000, 1, 1)
    with translation.override("en"):
        return timesince.timesince(epoch, epoch + length, depth=1).replace("\xa0", " ")


def ago(length: timedelta) -> str:
    """``3 hours ago``; ``now`` for less than a second."""
    return "now" if length < timedelta(seconds=1) else f"{span(length)} ago"


def duration(seconds: float | None) -> str:
    """``0.42 s``, ``12.5 s``, ``3 min 05 s``, ``2 h 10 min``; ``–`` where it is not known."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"
