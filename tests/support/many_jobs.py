"""A demo site of its own with very many jobs: five rules, a job a minute since 2020."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

RULES = ("checkdata", "checksummaries", "clear_seen_messages", "send_pending_emails_daily", "gone")
FAILURES = 50_000  # each so manieth job failed, and the four after it

FILL = """
with recursive n(i) as (select 0 union all select i + 1 from n where i < :jobs - 1)
insert into linod_systemd_job (rule_name, uuid, start_datetime, end_datetime, status, reason,
                               message, "trigger", scheduled_for, attempt, invocation_id, host, boot_id, warm,
                               told)
select case i % 5 when 0 then 'checkdata' when 1 then 'checksummaries' when 2 then 'clear_seen_messages'
                  when 3 then 'send_pending_emails_daily' else 'gone' end,
       printf('%032x', i), datetime('2020-01-01', '+' || (i * 60) || ' seconds'),
       datetime('2020-01-01', '+' || (i * 60 + 1) || ' seconds'),
       case when i % :failures < 5 then 'failed' else 'success' end, '',
       'a line or two', 'timer', 1577836800 + i * 60, 1, '', 'h', '', 0, ''
from n
"""


def make_site(root: Path, jobs: int) -> dict[str, str]:
    """Its environment; the database has so many jobs."""
    environment = {**os.environ, "LINOD_ROOT": str(root), "XDG_STATE_HOME": str(root / "state")}
    environment["DJANGO_SETTINGS_MODULE"] = "linod_systemd.demo.settings"
    environment.pop("LINOD_SITE", None)
    for arguments in (["manage", "migrate", "-v0"], ["setup"]):
        command = [sys.executable, "-m", "linod_systemd.cli", *arguments]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    with closing(database(root)) as connection, connection:
        connection.execute(FILL, {"jobs": jobs, "failures": FAILURES})
        of_name = "select id from linod_systemd_jobrule where name = rule_name"
        connection.execute(f"update linod_systemd_job set rule_id = ({of_name})")  # noqa: S608
    return environment


def database(root: Path) -> sqlite3.Connection:
    return sqlite3.connect(root / "var/lib/linod/default/db.sqlite3", timeout=60)
