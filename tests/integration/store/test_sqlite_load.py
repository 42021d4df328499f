"""Eight jobs that start and end at once, and an administrator who looks: SQLite serves them all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

JOBS, ROUNDS = 8, 3

SET_UP = """
from linod_systemd.models import JobRule
for number in range(8):
    JobRule.objects.create(name=f"load{number}", procedure="clear_seen_messages")
"""

# What the lists of the admin ask, and one of its actions, until the jobs have ended.
LOOK = """
import os, sys
from django.db import connection
from linod_systemd.models import Job, JobRule
print("looking", flush=True)
turns = 0
while os.path.exists(sys.argv[1]):
    list(Job.objects.select_related("rule")[:100])
    Job.objects.filter(status="running").count()
    JobRule.objects.filter(name="load0").update(seqno=turns)
    turns += 1
    connection.close()
print(turns)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a demo site of its own, with eight rules."""
    variables = {**os.environ, "LINOD_ROOT": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    variables["DJANGO_SETTINGS_MODULE"] = "linod_systemd.demo.settings"
    for arguments in (["manage", "migrate", "-v0"], ["manage", "shell", "-v0", "-c", SET_UP]):
        subprocess.run([sys.executable, "-m", "linod_systemd.cli", *arguments], check=True, env=variables)
    return variables


def test_no_one_meets_a_locked_database(environment: dict[str, str], tmp_path: Path) -> None:
    goes_on = tmp_path / "goes_on"
    goes_on.touch()
    setup = "import django; django.setup()\n"
    looker = subprocess.Popen(
        [sys.executable, "-c", setup + LOOK, str(goes_on)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    assert looker.stdout is not None and looker.stdout.readline() == "looking\n"
    said = []
    for _ in range(ROUNDS):
        running = [_start(f"load{number}", environment) for number in range(JOBS)]
        said += [(process.communicate()[0], process.returncode) for process in running]
    goes_on.unlink()
    looked, _ = looker.communicate()
    assert looker.returncode == 0 and int(looked) > 1, looked
    for text, code in said:
        assert code == 0 and "locked" not in text and "kept in" not in text, text
    listed = [sys.executable, "-m", "linod_systemd.cli", "jobs", "-n", "1000", "--status", "success"]
    rows = subprocess.run(listed, check=True, capture_output=True, text=True, env=environment).stdout
    assert rows.count("load") == JOBS * ROUNDS


def _start(rule: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "linod_systemd.run", "--", rule]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
