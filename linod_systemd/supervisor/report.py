"""Report: the result of one chore of the supervisor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """The report of a chore: the supervisor's new status, an error, and whether the chore is complete.

    Not ``is_complete``: systemd is still ending a unit, so that the chore is to be done again.
    """

    status: str = ""
    error: str = ""
    is_complete: bool = True
