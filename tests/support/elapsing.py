"""When systemd elapses, as ``systemd-analyze calendar`` says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

NEXT = re.compile(
    r"(?:Next elapse|Iter(?:\.|ation) #\d+): \w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$", re.MULTILINE
)
IN_UTC = re.compile(r"\(in UTC\): \w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$", re.MULTILINE)

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")


def is_utc_for_good(zone: str) -> bool:
    """Whether the zone ends as UTC, without summer time; as newer time zones have it of Morocco."""
    late = [datetime(2100, month, 1, tzinfo=ZoneInfo(zone)) for month in (1, 7)]
    return not any(instant.utcoffset() for instant in late)


def elapses(lines: Sequence[str], now: datetime, number: int, zone: str = "UTC") -> list[datetime]:
    """When systemd elapses after ``now``: of each line the first so many instants, in order, each once.

    :param zone: taken for the local one. Lines of it are then read without its name, which means the same
        but is 20 times faster: for a named zone systemd forks a process for each instant.
    """
    if not lines:
        return []
    if is_utc_for_good(zone):  # where systemd prints “(in UTC)” for some instants and not for others
        zone = "UTC"
    command = [
        *("systemd-analyze", "calendar", f"--iterations={number}"),
        f"--base-time={now:%Y-%m-%d %H:%M:%S} UTC",
    ]
    suffix = "" if zone == "UTC" else f" {zone}"
    done = subprocess.run(
        [*command, *(line.removeprefix("OnCalendar=").removesuffix(suffix) for line in lines)],
        capture_output=True,
        text=True,
        env={**os.environ, "TZ": zone, "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stderr
    pattern = NEXT if zone == "UTC" else IN_UTC
    return sorted({datetime.fromisoformat(text).replace(tzinfo=UTC) for text in pattern.findall(done.stdout)})
