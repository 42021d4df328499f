"""A million jobs: the history is cleared in batches, while others read and write (long)."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.many_jobs import RULES, database, make_site

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

JOBS = 1_000_000
LEAST = 10
MEMORY = 200 * 2**20

# A web process that writes a row now and then, and tells how long it waited at most.
WRITE = """
import os, sys, time
import django; django.setup()
from linod_systemd.models import JobRule
print("writing", flush=True)
longest, turns = 0.0, 0
while os.path.exists(sys.argv[1]):
    began = time.monotonic()
    JobRule.objects.filter(name="checkdata").update(seqno=turns)
    longest, turns = max(longest, time.monotonic() - began), turns + 1
    time.sleep(0.05)
print(f"{turns} writes, the longest {longest:.3f} s", flush=True)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return make_site(tmp_path, JOBS)


def rows(root: Path, rule: str) -> list[tuple[str, str]]:
    with closing(database(root)) as connection:
        return connection.execute(
            "select status, start_datetime from linod_systemd_job where rule_name = ? and trigger = 'timer'"
            " order by start_datetime desc",
            [rule],
        ).fetchall()


def peak(said: str) -> int:
    """The peak of memory in bytes, as time(1) of the shell tells it."""
    found = re.search(r"peak (\d+)", said)
    assert found is not None, said
    return int(found[1]) * 1024


def test_a_million_jobs_are_cleared_while_others_write(environment: dict[str, str], tmp_path: Path) -> None:
    goes_on = tmp_path / "goes-on"
    goes_on.touch()
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(goes_on)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None and writer.stdout.readline() == "writing\n"
    clear = [sys.executable, "-m", "linod_systemd.run", "clear_too_old_job_history"]
    # Killed half way: what is deleted is deleted, the rest waits for the next time.
    first = subprocess.Popen(clear, env=environment)
    deadline = time.monotonic() + 120
    while len(rows(tmp_path, "gone")) > JOBS / 5 * 0.9 and time.monotonic() < deadline:
        time.sleep(0.2)
    first.kill()
    first.wait()
    assert LEAST < len(rows(tmp_path, "gone")) < JOBS / 5
    script = (
        "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode;"
        "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, *clear], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    goes_on.unlink()
    said = writer.communicate(timeout=120)[0]
    print(
        f"cleared in {time.monotonic() - began:.0f} s, {peak(done.stdout) / 2**20:.0f} MiB; beside it {said}"
    )
    assert writer.returncode == 0, "a writer met a locked database"
    assert peak(done.stdout) < MEMORY
    for rule in RULES:
        left = rows(tmp_path, rule)
        assert [status for status, _ in left[:LEAST]] == ["success"] * LEAST, rule
        assert [status for status, _ in left[LEAST:]] == ["failed"], f"the last failure of {rule} is kept"


def test_deleting_a_rule_leaves_its_jobs(environment: dict[str, str], tmp_path: Path) -> None:
    delete = "from linod_systemd.models import JobRule; JobRule.objects.get(name='checkdata').delete()"
    began = time.monotonic()
    linod = [sys.executable, "-m", "linod_systemd.cli", "manage", "shell", "-v0", "-c", delete]
    subprocess.run(linod, env=environment, check=True)
    print(f"a rule with {JOBS // 5} jobs deleted in {time.monotonic() - began:.1f} s")
    assert len(rows(tmp_path, "checkdata")) == JOBS // 5
    listed = subprocess.run(
        [sys.executable, "-m", "linod_systemd.cli", "jobs", "checkdata", "-n", "3"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert listed.stdout.count("checkdata") == 3
