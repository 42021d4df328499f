"""A real Lino site: its tasks are run by systemd, and its own pages go on to be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.support.in_machine import (
    active_timers,
    await_supervisor,
    ended_job,
    jobs,
    rotate_log,
    rules,
    show,
    switch_off,
)
from tests.support.lino_machine import PYTHON, SITE, Web, in_site, install_site, manage, task
from tests.support.machine import Machine, Workshop
from tests.support.postgresql import SERVER, install_postgresql

MODELS = f"{SITE}/small/probe/models.py"

# Lino's packages are the same on both Debians, and take their time.
pytestmark = [
    pytest.mark.long,
    pytest.mark.parametrize("base", ["debian12"], indirect=True, scope="session"),
]


@pytest.fixture
def lino(workshop: Workshop, base: Path, installed: str, with_lino: str) -> Iterator[Machine]:
    """A machine on which the site is installed."""
    with Machine(workshop, base, [installed, with_lino], network=False) as machine:
        await_supervisor(machine, "default")  # as on a host, which has booted long before
        install_site(machine, "small", "small.settings")
        yield machine


def test_tasks_are_rules_with_timers(lino: Machine) -> None:
    found = rules(lino, "small")
    assert {"checkdata", "clear_seen_messages", "send_pending_emails_often"} <= found.keys()
    assert {f"linod-small-{name}" for name in ("checkdata", "ticks", "on_saturdays")} <= active_timers(lino)
    assert "linod-small-tells" not in active_timers(lino)  # every_unit: never
    due = lino.run("linod", "--site", "small", "next", "on_saturdays", "-n", "60").stdout.split()
    walls = [datetime.fromisoformat(instant).astimezone(ZoneInfo("Europe/Brussels")) for instant in due]
    assert {f"{wall:%a %H:%M:%S}" for wall in walls} == {"Sat 04:00:00"}
    assert {instant[11:13] for instant in due} == {"02", "03"}  # in summer and in winter
    timer = show(lino, "linod-small-on_saturdays.timer", "NextElapseUSecRealtime")
    assert "linod-small-tells.service" in show(lino, "linod-small-on_saturdays.service", "After").split()
    assert timer.startswith("Sat ") and due[0][:19].replace("T", " ") in timer
    ended_job(lino, "ticks", "small")
    assert ended_job(lino, "send_pending_emails_often", "small")["status"] == "success"


def test_procedure_runs_as_under_lino(lino: Machine) -> None:
    lino.sh("systemctl start linod-small-tells linod-small-warns linod-small-by_old_words")
    job = ended_job(lino, "tells", "small")
    assert (job["status"], job["warm"]) == ("success", True)
    assert task(lino, "tells")["message"] == (
        "<pre>BaseRequest as robin, rule tells\ninto the capture\ncaptured: into the capture</pre>"
    )
    assert ended_job(lino, "warns", "small")["reason"] == "nothing to do"
    assert ended_job(lino, "by_old_words", "small")["message"] == "by BaseRequest"
    row = task(lino, "warns")
    assert row["last_start_time"] <= row["last_end_time"] and not row["disabled"]
    here = datetime.now(ZoneInfo("Europe/Brussels")).replace(tzinfo=None)
    assert here - timedelta(minutes=5) < datetime.fromisoformat(row["last_end_time"]) < here


def test_failure_disables_the_task_and_notifies(lino: Machine) -> None:
    in_site(
        lino,
        "from lino.modlib.users.choicelists import UserTypes\n"
        "rt.models.users.User(username='rolf', user_type=UserTypes.admin, language='en').save()",
    )
    lino.sh("systemctl start linod-small-raises", check=False)
    assert ended_job(lino, "raises", "small")["status"] == "failed"
    row = task(lino, "raises")
    assert row["disabled"]
    assert "ValueError: &lt;b&gt;as&lt;/b&gt; planned" in row["message"]
    told = in_site(lino, "for m in rt.models.notify.Message.objects.all(): print(m.user, m.subject, m.owner)")
    assert re.match(r"rolf Task System task .*\(raises\) failed System task", told), told
    shown = in_site(
        lino,
        "rule = rt.models.linod_systemd.JobRule.objects.get(name='raises')\n"
        "rt.show(rt.models.linod_systemd.JobsByRule, rule)",
    )
    assert "ValueError: <b>as</b> planned" in shown


def test_killed_job_is_told_on_the_task(lino: Machine) -> None:
    lino.sh("systemctl start --no-block linod-small-sleeps")
    lino.poll(lambda: task(lino, "sleeps")["last_start_time"] is not None, 20, "it to start")
    running = task(lino, "sleeps")
    assert running["last_end_time"] is None and running["message"].startswith("Started at ")
    lino.sh("systemctl kill --signal=KILL linod-small-sleeps")
    assert ended_job(lino, "sleeps", "small")["status"] == "killed"
    row = task(lino, "sleeps")
    assert row["disabled"] and row["last_end_time"] and "killed by SIGKILL" in row["message"]


def test_web_interface_reaches_the_timers(lino: Machine) -> None:
    web = Web(lino)
    web.act("tells", "run_now")
    assert ended_job(lino, "tells", "small")["status"] == "success"
    row = task(lino, "tells")
    assert row["requested_at"] is None and "BaseRequest as robin" in row["message"]
    key = in_site(lino, "print(rt.models.linod_systemd.JobRule.objects.get(name='tells').pk)").strip()
    menu = in_site(lino, "from lino.api.doctest import *\nshow_menu('robin')")
    assert "Job rules, Jobs" in menu
    assert '"Success"' in web.get(f"/api/linod_systemd/JobsByRule?fmt=json&limit=5&mk={key}")
    assert '"count": ' in web.get("/api/linod_systemd/JobRules?fmt=json&limit=5")

    assert web.save("ticks", disabled="true")["success"]
    lino.poll(lambda: "linod-small-ticks" not in active_timers(lino), 20, "its timer to stop")
    assert task(lino, "ticks")["disabled"]
    assert web.save("ticks", disabled="false", every="3", every_unitHidden="s")["success"]
    lino.poll(lambda: "linod-small-ticks" in active_timers(lino), 20, "its timer to start")
    assert rules(lino, "small")["ticks"]["cancelled"] is False
    lino.sh("linod --site small cancel ticks")
    assert task(lino, "ticks")["disabled"]
    answer = web.save("on_saturdays", end_date="01.01.2020")
    assert (answer["success"], answer["message"]) == (False, "End Date : lies before the start")
    assert rules(lino, "small")["on_saturdays"]["next"]


def test_request_that_is_cancelled_runs_nothing(lino: Machine) -> None:
    web = Web(lino)
    switch_off(lino, "linod-generate@small.path")  # nobody looks, for as long as the clicks take
    web.act("tells", "run_now")
    assert task(lino, "tells")["requested_at"]
    web.act("tells", "cancel_run")
    lino.sh("linod-generate-units --site small --apply")
    assert task(lino, "tells")["requested_at"] is None
    assert jobs(lino, "tells", "small") == []


def test_log_is_the_sites_own_in_its_own_format(lino: Machine) -> None:
    lino.sh("systemctl start linod-small-tells")
    lines = [
        line for line in lino.read(f"{SITE}/small/log/lino.log").splitlines() if "captured: into" in line
    ]
    assert re.fullmatch(r"\d{6}-\d\d \d\d:\d\d:\d\d INFO \[linod.job \d+ \d+\] : captured: .*", lines[-1])
    assert len(lines) == 1
    journal = lino.sh("journalctl -u linod-small-tells -o cat").splitlines()
    assert journal.count("BaseRequest as robin, rule tells") == 1
    rotate_log(lino, "small", f"{SITE}/small/log/lino.log")
    lino.sh("systemctl start linod-small-tells")
    assert "captured: into" in lino.read(f"{SITE}/small/log/lino.log")
    assert lino.sh(f"stat -c %U {SITE}/small/log/lino.log") == "lino\n"
    lino.sh(f"zgrep -q 'captured: into' {SITE}/small/log/lino.log.1*")


def test_upgrade_of_the_site_is_one_command(lino: Machine) -> None:
    """The code that is new runs warm, and a task that is new is due."""
    lino.sh(
        f"sed -i 's/\"captured: /\"caught anew: /' {MODELS}\n"
        f"printf '\\n@schedule_often(every=5)\\ndef comes_later(ar): pass\\n' >> {MODELS}\n"
        "systemctl reload linod-supervisor@small && systemctl start linod-small-tells"
    )
    job = ended_job(lino, "tells", "small")
    assert job["warm"] and "caught anew: into the capture" in job["message"]
    assert ended_job(lino, "comes_later", "small", 60)["trigger"] == "timer"


def test_procedure_of_a_name_that_lino_has_is_refused(lino: Machine) -> None:
    lino.sh(f"printf '\\n@dd.schedule_daily()\\ndef checkdata(ar): pass\\n' >> {MODELS}")
    said = lino.run("env", "-C", SITE, PYTHON, "manage.py", "check", user="lino", check=False)
    assert said.returncode != 0
    assert re.search(
        r"two procedures are named 'checkdata': at \S+probe/models.py:\d+, and at \S+checkdata/models.py:\d+",
        said.stderr,
    )


def test_on_postgresql(workshop: Workshop, base: Path, installed: str, with_lino: str) -> None:
    with Machine(workshop, base, [installed, with_lino], wanted=[SERVER]) as machine:
        install_postgresql(machine, "lino", PYTHON)
        manage(machine, "small.postgresql", "prep --noinput")
        install_site(machine, "small", "small.postgresql")
        assert ended_job(machine, "ticks", "small")["trigger"] == "timer"
        machine.sh("systemctl start linod-small-tells; systemctl start linod-small-raises", check=False)
        assert "BaseRequest as robin" in task(machine, "tells")["message"]
        row = task(machine, "raises")
        assert row["disabled"] and row["last_end_time"] and "ValueError" in row["message"]
        in_site(
            machine,
            "row = rt.models.linod.SystemTask.objects.get(name='ticks'); row.disabled = True; row.save()",
        )
        machine.poll(lambda: "linod-small-ticks" not in active_timers(machine), 20, "its timer to stop")


def test_words_of_the_documentation(lino: Machine) -> None:
    """The lines of Lino's linod, on a site of today."""
    shown = in_site(
        lino,
        "from lino.api.doctest import *\n"
        "rt.show(linod.Procedures)\n"
        "from linod_systemd.tasks import Tasks\n"
        "tasks = Tasks()\n"
        "tasks.setup()\n"
        "for task_status in tasks.status():\n"
        "    print(task_status)\n",
    )
    assert re.search(r"(?m)^ checkdata +checkdata +checkdata ", shown)
    status = r"(?m)^Job rule #\d+ <Procedures\.%s> next run at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+0[12]:00$"
    assert re.search(status % "checkdata every 1 daily", shown)
    assert re.search(status % "send_pending_emails_often every 10 secondly", shown)


def test_changed_by_sql_and_deleted(lino: Machine) -> None:
    in_site(lino, "rt.models.linod.SystemTask.objects.filter(name='ticks').update(disabled=True)")
    lino.poll(lambda: "linod-small-ticks" not in active_timers(lino), 60, "a check of the supervisor")
    in_site(lino, "rt.models.linod.SystemTask.objects.get(name='ticks').delete()")
    left = "rt.models.linod_systemd.JobRule(name='left', mirrors='gone.Task:1', procedure='gone').stored()"
    asked = f"from linod_systemd.store import rule_store; print(rule_store.current().procedure({left}))"
    assert in_site(lino, asked) == "None\n"
    assert "ticks" not in rules(lino, "small")
    lino.poll(
        lambda: (
            "No such file"
            in lino.run("ls", "/etc/systemd/system/linod-small-ticks.timer", check=False).stderr
        ),
        20,
        "its units to go",
    )


def test_back_to_lino_and_forth(lino: Machine) -> None:
    said = lino.run("env", "-C", SITE, PYTHON, "manage.py", "linod", user="lino")
    assert "Job rule #" in said.stdout and "are run by systemd" in said.stderr
    lino.sh("linod uninstall-site small")
    assert lino.sh("systemctl list-units --all --plain --no-legend 'linod*small*'") == ""
    assert lino.sh("ls /etc/systemd/system | grep -c small", check=False).strip() == "0"
    manage(lino, "small.settings", "migrate linod_systemd zero")
    lino.sh(
        f"sed -i '/linod_systemd/d' {SITE}/small/settings.py; sed -i '/linod_systemd/d; /by_old_words/,$d; "
        f"/schedule_daily()/d' {SITE}/small/probe/models.py"
    )
    lino.sh(
        f"systemd-run --quiet --unit loop --uid lino -p WorkingDirectory={SITE} "
        f"-E DJANGO_SETTINGS_MODULE=small.settings {PYTHON} manage.py linod"
    )
    lino.poll(lambda: "Start task runner" in lino.sh("journalctl -u loop -o cat"), 60, "Lino's own loop")
