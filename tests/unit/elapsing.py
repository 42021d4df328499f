"""When systemd elapses, as ``systemd-analyze calendar`` says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

NEXT = re.compile(
    r"(?:Next elapse|Iter(?:\.|ation) #\d+): \w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$", re.MULTILINE
)
IN_UTC = re.compile(r"\(in UTC\): \w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$", re.MULTILINE)

needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")


def elapses(lines: Sequence[str], now: datetime, number: int, zone: str = "UTC") -> list[datetime]:
    """When systemd elapses after ``now``: of each line the first so many instants, in order, each once.

    :param zone: taken for the local one. Lines of it are then read without its name, which means the same
        but is 20 times faster: for a named zone systemd forks a process for each instant.
    """
    if not lines:
        return []
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
    if zone != "UTC" and "(in UTC)" not in done.stdout:
        # Of a zone that is UTC by another name for good, as newer time zones have Morocco, no line says it.
        return elapses(lines, now, number)
    pattern = NEXT if zone == "UTC" else IN_UTC
    return sorted({datetime.fromisoformat(text).replace(tzinfo=UTC) for text in pattern.findall(done.stdout)})
