"""``linod simulate``: the rules run in the foreground, without systemd."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from tests.integration.conftest import Command


def test_simulate_runs_what_is_due_until_it_is_interrupted(typed: Command, tmp_path: Path) -> None:
    def fired() -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(typed("linod jobs send_pending_emails_often --json").stdout)
        return found

    before = len(fired())
    script = "linod simulate & while [ -e go-on ]; do sleep 0.2; done; kill -INT $!; wait $!"
    flag = tmp_path / "go-on"
    flag.touch()
    with ThreadPoolExecutor() as threads:
        simulation = threads.submit(typed, f"set -m; cd {flag.parent}; {script}")
        deadline = time.monotonic() + 120
        while len(fired()) < before + 2 and time.monotonic() < deadline:
            time.sleep(0.5)
        flag.unlink()
        done = simulation.result()
    assert done.returncode == 0, done.stderr
    slots = [int(datetime.fromisoformat(job["start_datetime"]).timestamp()) // 10 for job in fired()]
    new = slots[: len(slots) - before]
    assert len(new) >= 2
    assert len(set(new)) == len(new)
    assert not json.loads(typed("linod jobs --status running --json").stdout)
