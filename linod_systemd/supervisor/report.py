"""Report: the result of one chore of the supervisor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """What a chore tells: the supervisor's new status, an error, and whether it is done.

    Not ``is_complete``: systemd is still ending a unit, so that the chore is to be done again.
    """

    status: str = ""
    error: str = ""
    is_complete: bool = True
