"""The commands, each typed as a user would, on a root of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tests.integration.conftest import BIN, Command


def test_before_the_migration_it_says_what_to_do(typed: Command, tmp_path: Path) -> None:
    done = typed("linod status", LINOD_ROOT=str(tmp_path))
    assert done.returncode == 1
    assert "is not migrated" in done.stderr and "linod --site default manage migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_export_streams_every_job_oldest_first(typed: Command) -> None:
    for _ in range(3):
        typed("linod-run --here checksummaries")
    lines = typed("linod jobs --export | cat").stdout.splitlines()
    exported = [json.loads(line) for line in lines]
    assert len(exported) >= 3
    assert [job["id"] for job in exported] == sorted(job["id"] for job in exported)
    assert exported[::-1] == json.loads(typed("linod jobs -n 1000 --json").stdout)


def test_silence_is_told_and_is_the_exit_code(typed: Command) -> None:
    rules = "from linod_systemd.models import JobRule; from linod_systemd import clock; import datetime\n"
    ago = "missed_after=3600, live_since=clock.now() - datetime.timedelta(hours=2)"
    rule = "JobRule.objects.filter(name='send_pending_emails_daily')"
    typed(f'linod manage shell -v0 -c "{rules}{rule}.update({ago})"')
    done = typed("linod status")
    assert done.returncode == 1
    assert "send_pending_emails_daily: it has not succeeded since " in done.stderr
    typed(f'linod manage shell -v0 -c "{rules}{rule}.update(missed_after=None, live_since=clock.now())"')
    assert "not succeeded" not in typed("linod status").stderr


def test_locked_database_is_told_and_changes_nothing(typed: Command, root: Path, tmp_path: Path) -> None:
    options = "DATABASES['default']['OPTIONS']['timeout'] = 0.2"
    (tmp_path / "impatient.py").write_text(f"from linod_systemd.demo.settings import *\n{options}\n")
    database = root / "var/lib/linod/default/db.sqlite3"
    site = {"LINOD_SITE": "default", "DJANGO_SETTINGS_MODULE": "impatient", "PYTHONPATH": str(tmp_path)}
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = typed("linod cancel checkdata", **site)
    assert done.returncode == 1
    assert "is locked by another process" in done.stderr and "end what holds it" in done.stderr
    assert "Traceback" not in done.stderr
    listed = {rule["name"]: rule for rule in json.loads(typed("linod status --json", **site).stdout)["rules"]}
    assert not listed["checkdata"]["cancelled"]


def test_status(typed: Command) -> None:
    table = typed("linod status").stdout.splitlines()
    assert table[0].split("  ")[0] == "rule" and len(table) == 8
    assert "every 5 minutes" in next(line for line in table if "event_notification_scheduler" in line)
    assert typed("linod").stdout.splitlines()[0].split() == table[0].split()
    lines = typed("linod status --lines").stdout.splitlines()
    assert len(lines) == 7
    assert lines[3].startswith("Job rule #4 <Procedures.checkdata every 1 daily> next run at: ")
    # A rule of every ten seconds may have another next time when the next command looks.
    ways = ("linod status --lines", "linod manage linod status --lines", "linod manage linod")
    done = [typed(line) for line in ways]
    spoken = [re.sub("(secondly> next run at:).*", r"\1", one.stdout) for one in done]
    assert spoken == spoken[:1] * 3
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 3
    listed = json.loads(typed("linod status --json").stdout)["rules"]
    assert [rule["name"] for rule in listed][3] == "checkdata"


def test_run_and_look_at_the_job(typed: Command) -> None:
    done = typed("linod-run clear_seen_messages")
    assert (done.returncode, "deleted 4 messages" in done.stderr) == (0, True)
    job = json.loads(typed("linod jobs clear_seen_messages --json").stdout)[0]
    assert (job["status"], job["trigger"], job["exit_code"]) == ("success", "manual", 0)
    assert "deleted 4 messages" in typed(f"linod show {job['id']}").stdout
    assert json.loads(typed(f"linod show {job['id']} --json").stdout) == {**job, "printed": ""}
    table = typed("linod jobs").stdout.splitlines()
    assert table[0].split() == ["job", "rule", "start", "seconds", "status", "trigger", "reason"]
    assert "clear_seen_messages" in table[1]
    assert typed("linod jobs --status failed").stderr == "no job has run yet\n"


def test_follow_goes_on_with_each_job_that_ends(typed: Command, root: Path) -> None:
    typed("linod-run checkdata")
    before = json.loads(typed("linod jobs checkdata --json").stdout)
    command = [f"{BIN}/linod", "jobs", "checkdata", "--follow", "--json"]
    environment = {**os.environ, "LINOD_ROOT": str(root)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as following:
        assert following.stdout is not None
        told = [json.loads(following.stdout.readline()) for _ in before]
        for _ in range(2):
            typed("linod-run checkdata")
            told.append(json.loads(following.stdout.readline()))
        following.send_signal(signal.SIGINT)
        assert following.stdout.read() == ""
    assert following.returncode == 0
    assert told == json.loads(typed("linod jobs checkdata --json").stdout)[::-1]


def test_a_job_waits_for_no_import_that_only_others_need(typed: Command) -> None:
    done = typed("PYTHONPROFILEIMPORTTIME=1 linod-run clear_seen_messages")
    imported = {
        line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line
    }
    assert "django" in imported and "linod_systemd.runner.execute" in imported
    assert not imported & {"pydantic", "jinja2", "rich", "argparse_manpage", "linod_systemd.units.generate"}


def test_calendar_of_a_month(typed: Command) -> None:
    lines = typed("linod calendar --month 2027-02").stdout.splitlines()
    assert lines[0].startswith("1 February 2027 to 28 February 2027, ")
    assert any(line.startswith("often       send_pending_emails_often: ") for line in lines)
    assert len([line for line in lines if line.endswith("and 1 more  ← a crowded hour")]) == 28
    assert "  00:00  on 28 days: 5 rules, checkdata, checksummaries, " in "\n".join(lines)
    found = json.loads(typed("linod calendar --json").stdout)
    assert "checkdata" in json.dumps(found)


def test_version_and_completion(typed: Command) -> None:
    assert re.fullmatch(r"linod \d+\.\d+.*\n", typed("linod --version").stdout)
    script = 'source <(linod completion bash); COMP_WORDS=(linod pau) COMP_CWORD=1; "$(complete -p linod'
    script += " | sed 's/.*-F //; s/ linod//')\" linod pau linod; printf '%s\\n' \"${COMPREPLY[@]}\""
    assert "pause" in typed(script).stdout.split()


def test_mail_server_that_is_away_is_the_reason_of_a_success(typed: Command) -> None:
    assert typed("linod-run send_pending_emails_often").returncode == 0
    job = json.loads(typed("linod jobs send_pending_emails_often --json").stdout)[0]
    assert job["status"] == "success"
    assert "stay pending" in job["reason"]


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("linod-run checkdat", 2, "no rule is named 'checkdat': did you mean checkdata"),
        ("linod-run", 2, "the following arguments are required: RULE"),
        ("linod-run --fast checkdata", 2, "unrecognized arguments: --fast"),
        ("linod-run --site shop checkdata", 1, "site 'shop' is not configured: write"),
        ("linod next nowhere", 2, "no rule is named 'nowhere'"),
        ("linod jobs nowhere", 2, "no rule is named 'nowhere'"),
        ("linod jobs --status ended", 2, "no job has the status 'ended': use one of running"),
        ("linod show 9999", 2, "there is no job #9999"),
        ("linod cancel nowhere", 2, "no rule is named 'nowhere'"),
        ("linod explain chekdata", 2, "no rule is named 'chekdata': did you mean checkdata"),
        ("linod next checkdata -n 0", 2, "'0' is no whole number from 1 to 100000"),
        ("linod next checkdata --from tomorrow", 2, "'tomorrow' is no instant"),
        ("linod frobnicate", 2, "invalid choice"),
        ("linod-generate-units --colour", 2, "unrecognized arguments"),
        ("linod manage linod cancel nowhere", 2, "no rule is named 'nowhere'"),
    ],
)
def test_bad_input_is_named(typed: Command, line: str, code: int, said: str) -> None:
    done = typed(line)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert said in done.stderr


def test_cancel_and_enable(typed: Command, root: Path) -> None:
    rules = root / "var/lib/linod/default/rules.json"
    typed("linod cancel checksummaries")
    assert [rule["name"] for rule in json.loads(rules.read_text())["rules"] if rule["cancelled"]] == [
        "checksummaries"
    ]
    assert "checksummaries every 1 daily> cancelled by a person" in typed("linod status --lines").stdout
    assert "cancelled by a person" in typed("linod status").stdout
    assert "enabled, next run at" in typed("linod enable checksummaries").stdout
    assert not [rule for rule in json.loads(rules.read_text())["rules"] if rule["cancelled"]]


def test_next_prints_instants_in_utc(typed: Command, root: Path) -> None:
    line = "linod next event_notification_scheduler -n 3 --from 2027-01-01T00:00:00+01:00"
    assert typed(line).stdout.split() == [
        "2026-12-31T23:05:00+00:00",
        "2026-12-31T23:10:00+00:00",
        "2026-12-31T23:15:00+00:00",
    ]
    by_file = typed(
        f"{line} --rules {root}/var/lib/linod/default/rules.json", DJANGO_SETTINGS_MODULE="no.such"
    )
    assert by_file.stdout == typed(line).stdout
    assert json.loads(typed(f"{line} --json").stdout) == typed(line).stdout.split()


def test_next_of_a_monotonic_rule_counts_on_from_its_last_start(typed: Command, tmp_path: Path) -> None:
    monotonic = "from linod_systemd.models import JobRule as R; R.objects.update_or_create(name='checkdata', "
    change = "defaults={'every_unit': '%s', 'every': %d})"
    shell = f'linod manage shell -v0 -c "{monotonic}{change}"'
    assert typed(shell % ("secondly", 59)).returncode == 0
    try:
        typed("linod-run checkdata")
        job = json.loads(typed("linod jobs checkdata --json").stdout)[0]
        started = datetime.fromisoformat(job["start_datetime"])
        dues = [datetime.fromisoformat(line) for line in typed("linod next checkdata -n 2").stdout.split()]
        assert [(due - started).total_seconds() for due in dues] == [59, 118]
        assert typed("linod explain checkdata").stdout == "every 59 seconds after the previous start\n"
        assert typed(shell % ("daily", 0)).returncode == 0  # as no form would let it pass
        for line in ("linod next checkdata", "linod explain checkdata"):
            impossible = typed(line)
            assert (impossible.returncode, "Traceback" in impossible.stderr) == (2, False)
            assert impossible.stderr.endswith("correct the rule in the admin\n")
    finally:
        assert typed(shell % ("daily", 1)).returncode == 0


def test_explain(typed: Command, root: Path) -> None:
    rules = root / "var/lib/linod/default/rules.json"
    for line in (
        "linod explain send_pending_emails_often",
        "linod manage linod explain send_pending_emails_often",
    ):
        assert typed(line).stdout == "every 10 seconds\n"
    by_file = typed(f"linod manage linod explain checkdata --rules {rules} --json")
    assert by_file.stdout == typed("linod explain checkdata --json").stdout
    assert json.loads(by_file.stdout)["explanation"].startswith("every day at 00:00, ")


def test_export_writes_what_is_missing(typed: Command, root: Path) -> None:
    rules = root / "var/lib/linod/default/rules.json"
    assert typed("linod export").stdout == f"{rules}: up to date\n"
    rules.unlink()
    assert typed("linod export").stdout == f"{rules}: written\n"


NOISY = """
import atexit, os
from django.db.backends.signals import connection_created
from linod_systemd.demo.settings import *
print("settings")
atexit.register(print, "the end")
def told(**_):
    print("connected")
    os.system("echo a child")
connection_created.connect(told, weak=False)
"""


@pytest.mark.parametrize("command", ["status", "jobs", "show 1", "next checkdata", "explain checkdata"])
def test_json_is_alone_on_stdout(typed: Command, tmp_path: Path, command: str) -> None:
    typed("linod-run checkdata")
    (tmp_path / "noisy.py").write_text(NOISY)
    noisy = {"DJANGO_SETTINGS_MODULE": "noisy", "PYTHONPATH": str(tmp_path), "LINOD_SITE": "default"}
    done = typed(f"linod {command} --json", **noisy)
    assert json.loads(done.stdout), done.stderr
    assert all(said in done.stderr for said in ("settings", "connected", "a child", "the end")), done.stderr


def test_jobs_are_filtered(typed: Command) -> None:
    typed("linod-run checkdata")
    assert "manual" in typed("linod jobs checkdata --trigger manual --since 2026-01-01").stdout
    assert typed("linod jobs --trigger catch_up").stderr == "no job has run yet\n"
    assert typed("linod jobs --since 2090-01-01T04:00").stdout == ""
    done = typed("linod jobs --trigger cron")
    assert done.returncode == 2 and "use one of timer, catch_up, manual, retry" in done.stderr


def test_closed_pipe_is_no_error(typed: Command) -> None:
    done = typed("set -o pipefail; linod status | head -n 1")
    assert (done.returncode, done.stderr) == (0, "")


def test_generate_from_the_demo_site(typed: Command, tmp_path: Path) -> None:
    done = typed(f"linod-generate-units --output {tmp_path}/units")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "units").glob("linod-*.timer"))) == 7


def test_importing_the_runner_loads_no_django() -> None:
    script = (
        "import sys, linod_systemd.run; print([n for n in sys.modules if n in ('django', 'jinja2', 'rich')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
