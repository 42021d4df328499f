"""Decide whether a rule runs when its timer has rung: systemd is the alarm clock, the slot is the truth.

A slot is one occurrence of a rule. systemd rings for more than one reason: also when a timer was edited,
when a job outlasted its period, when the clock jumped (docs/systemd-facts.md, 7 and 10). Example: a daily
rule of 04:00 is edited at 09:00 to 08:00; systemd rings at once, and nothing runs, as the slot of 08:00 is
older than the edit. Pure; instants are aware and in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

# From an elapse to the start of its service less than this passes while the machine is on.
PROMPT = timedelta(seconds=60)
# In which systemd starts the service of a timer that has elapsed; its log has whole seconds of the elapse.
ELAPSE_TO_START = timedelta(seconds=3)


@dataclass(frozen=True)
class Past:
    """The facts about a rule and its slot when its timer rings.

    ``live_since``: when it was made, enabled or last edited (None: not known); ``taken``: whether a job
    has the slot already; ``paused``: the pause that holds then or at the slot, in words, or nothing;
    ``busy``: the job that was under way at that instant, in words, or nothing.
    """

    live_since: datetime | None = None
    taken: bool = False
    paused: str = ""
    busy: str = ""


@dataclass(frozen=True)
class Decision:
    """Whether the rule runs now; if not, why, and whether a ``skipped`` row tells so."""

    runs: bool
    reason: str = ""
    is_noted: bool = False


def decide(
    slot: datetime | None, rang: datetime, past: Past, *, makes_up: bool, tolerance: timedelta
) -> Decision:
    """Decide for a live rule.

    :param slot: the last occurrence not after ``rang``; None: it was not due yet, or is not any more.
    :param rang: when the timer elapsed.
    :param makes_up: whether the rule catches up for what was missed while the machine was off.
    :param tolerance: how late it may ring for a rule that does not.
    """
    if slot is None:
        return Decision(False, "it is not due")
    if past.live_since is not None and slot <= past.live_since:
        return Decision(False, "what was due before its last edit or enabling is past")
    if past.taken:
        return Decision(False, "a job has this slot already")
    if past.paused:
        return Decision(False, past.paused, is_noted=True)
    if past.busy:
        return Decision(False, f"{past.busy} was still running", is_noted=True)
    late = rang - slot
    if late > tolerance and not makes_up:
        return Decision(False, f"its timer rang {late.total_seconds():.0f} s late", is_noted=True)
    return Decision(True)


def is_made_up(slot: datetime, rang: datetime) -> bool:
    """Whether a run for this slot makes up for one that was missed."""
    return rang - slot > PROMPT
