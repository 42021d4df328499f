"""Show the next times of a rule in a terminal, each with its remarks, and the lines of the timer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from linod_systemd.recurrence import english
from linod_systemd.recurrence.recurrence_set import RecurrenceSet
from linod_systemd.recurrence.remarks import peculiarities
from linod_systemd.units.oncalendar import timer

MOST_LINES = 8


def show(sentence: str, recurrence: RecurrenceSet, instants: Sequence[datetime], now: datetime) -> None:
    """Print the instants under the sentence, and below them the lines of the timer as it is now."""
    console = Console(highlight=False)
    console.print(Text(sentence, style="bold"))
    console.print()
    console.print(_times(recurrence, instants))
    console.print()
    for line in _timer(recurrence, now):
        # Whoever copies a line wants it whole: the terminal wraps these, not we.
        console.print(Text(line, style="dim"), soft_wrap=True)


def _times(recurrence: RecurrenceSet, instants: Sequence[datetime]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for is_last in (False, False, True):
        table.add_column(no_wrap=not is_last)
    locals_ = [instant.astimezone(recurrence.zone) for instant in instants]
    clock = "%H:%M:%S" if any(local.second for local in locals_) else "%H:%M"
    for instant, local in zip(instants, locals_, strict=True):
        shown = f"{english.short_date(local)} {local.strftime(clock)} {local.tzname()}"
        marks = Text(", ".join(peculiarities(recurrence, instant)), style="yellow")
        table.add_row(instant.isoformat(timespec="seconds"), shown, marks)
    return table


def _timer(recurrence: RecurrenceSet, now: datetime) -> list[str]:
    """The lines of the timer, shortened where there are many, and until when they hold."""
    lines = timer.timer_lines(recurrence, now)
    if not lines:
        return ["its timer is gone, as nothing is due any more"]
    until = timer.horizon_end(recurrence, now)
    if len(lines) > MOST_LINES:
        rest = len(lines) - MOST_LINES + 1
        lines = [*lines[: MOST_LINES - 1], f"… and {rest} lines more"]
    if until is not None and until != recurrence.last:
        day = english.full_date(until.astimezone(recurrence.zone).date())
        lines.append(f"good until {day}, made anew before that")
    return lines
