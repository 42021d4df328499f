"""A site whose rules are rows of its own model, run by systemd: the store is the only door to them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.in_machine import active_timers, await_supervisor, ended_job, rules
from tests.support.machine import CHECKOUT, SOURCE, Machine

SITE_TOML = """user = "chores"
settings = "chores.settings"
python = "/opt/linod/bin/python"
directory = "/srv/chores"
"""


def add_chores(machine: Machine) -> None:
    machine.sh(
        "useradd --system --create-home chores && install -d -o chores /srv/chores &&"
        f"cp -r {SOURCE}/tests/sites/chores/. /srv/chores/ && chown -R chores /srv/chores"
    )
    machine.write("/etc/linod/chores.toml", SITE_TOML)
    machine.sh("linod --site chores manage migrate -v0 --run-syncdb")
    machine.sh("linod-generate-units && systemctl daemon-reload")
    await_supervisor(machine, "chores")


def test_rules_of_another_model_are_run_by_systemd(machine: Machine) -> None:
    add_chores(machine)
    swept = ended_job(machine, "sweep", "chores")
    assert (swept["status"], swept["trigger"]) == ("success", "timer")
    assert "swept for Chore sweep every 2 s" in swept["message"]
    assert swept["invocation_id"]
    # What fails is cancelled in the row of the site's own, and its timer stops.
    dropped = ended_job(machine, "drop", "chores")
    assert (dropped["status"], dropped["reason"]) == ("failed", "ValueError: a plate is broken")
    machine.poll(lambda: "linod-chores-drop" not in active_timers(machine), 30, "the timer of drop to stop")
    assert rules(machine, "chores")["drop"]["cancelled_by"] == "failure"
    # Asked for by who may not start units, it is started by systemd.
    machine.sh("linod --site chores run polish")
    polished = ended_job(machine, "polish", "chores")
    assert (polished["status"], polished["trigger"]) == ("success", "manual")
    assert polished["invocation_id"] and polished["message"].count("polished") == 1
    machine.sh("linod --site chores cancel sweep")
    machine.poll(lambda: "linod-chores-sweep" not in active_timers(machine), 30, "the timer of sweep to stop")
    machine.sh("linod --site chores enable sweep")
    machine.poll(lambda: "linod-chores-sweep" in active_timers(machine), 30, "the timer of sweep to be back")
    assert machine.sh("linod-run --site chores polish; echo $?").strip().endswith("0")


@pytest.mark.parametrize(
    "command", [pytest.param("linod_systemd.cli", marks=pytest.mark.long), "django linod"]
)
def test_the_daemon_in_the_foreground_runs_them_too(tmp_path: Path, command: str) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "LINOD_ROOT": str(tmp_path),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": f"{tmp_path}/state",
        "PYTHONPATH": str(CHECKOUT / "tests/sites/chores"),
        "DJANGO_SETTINGS_MODULE": "chores.settings",
    }
    linod = [sys.executable, "-m", *command.split()]

    def typed(*arguments: str) -> str:
        done = subprocess.run([*linod, *arguments], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    typed("manage", "migrate", "-v0", "--run-syncdb")
    with (tmp_path / "said").open("w") as said:
        daemon = subprocess.Popen([*linod, "simulate"], env=environment, stderr=said, cwd=tmp_path)
    ran, deadline = "", time.monotonic() + 60
    while ran.count("sweep") < 2 and daemon.poll() is None and time.monotonic() < deadline:
        time.sleep(0.5)
        ran = typed("jobs", "--status", "success")
    daemon.send_signal(signal.SIGINT)
    assert daemon.wait(timeout=30) == 0, (tmp_path / "said").read_text()
    assert ran.count("sweep") >= 2 and "manual" not in ran, (tmp_path / "said").read_text()
    assert typed("jobs", "drop", "--status", "failed").count("a plate is broken") == 1, "what failed is off"
