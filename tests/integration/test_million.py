"""A million jobs: the history is cleared in batches, while others read and write (long)."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

JOBS, RULES = (
    1_000_000,
    ("checkdata", "checksummaries", "clear_seen_messages", "send_pending_emails_daily", "gone"),
)
FAILURES = 50_000  # each so manieth job failed
LEAST = 10
MEMORY = 200 * 2**20

FILL = """
with recursive n(i) as (select 0 union all select i + 1 from n where i < :jobs - 1)
insert into linod_systemd_job (rule_name, uuid, start_datetime, end_datetime, status, reason,
                               message, "trigger", attempt, invocation_id, host, boot_id, warm)
select case i % 5 when 0 then 'checkdata' when 1 then 'checksummaries' when 2 then 'clear_seen_messages'
                  when 3 then 'send_pending_emails_daily' else 'gone' end,
       printf('%032x', i), datetime('2020-01-01', '+' || (i * 60) || ' seconds'),
       datetime('2020-01-01', '+' || (i * 60 + 1) || ' seconds'),
       case when i % :failures < 5 then 'failed' else 'success' end, '',
       'a line or two', 'timer', 1, '', 'h', '', 0
from n
"""

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
    """Of a demo site with a million jobs."""
    variables = {**os.environ, "LINOD_ROOT": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    variables["DJANGO_SETTINGS_MODULE"] = "linod_systemd.demo.settings"
    for arguments in (["manage", "migrate", "-v0"], ["setup"]):
        subprocess.run([sys.executable, "-m", "linod_systemd.cli", *arguments], check=True, env=variables)
    with closing(database(tmp_path)) as connection, connection:
        connection.execute(FILL, {"jobs": JOBS, "failures": FAILURES})
        of_name = "select id from linod_systemd_jobrule where name = rule_name"
        connection.execute(f"update linod_systemd_job set rule_id = ({of_name})")  # noqa: S608
    return variables


def database(root: Path) -> sqlite3.Connection:
    return sqlite3.connect(root / "var/lib/linod/default/db.sqlite3", timeout=60)


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
