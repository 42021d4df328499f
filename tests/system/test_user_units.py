"""Units of a user's own systemd: no root, no SITE.toml."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.in_machine import ensure_package
from tests.support.machine import SOURCE, Machine

pytestmark = pytest.mark.long

AS_USER = "export XDG_RUNTIME_DIR=/run/user/$(id -u) HOME=/home/shop; cd;"
SETTINGS = """
INSTALLED_APPS += ["linod_systemd", "own"]
DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}
"""
PROCEDURES = """
from pathlib import Path
from linod_systemd import background_task, schedule_often

@schedule_often(every=2)
def says_where(ar):
    ar.info("%s", Path.cwd())

@background_task(every_unit="never", cancel_on_manual_failure=True)
def fails(ar):
    raise ValueError("no such shelf")
"""


def users_systemd(machine: Machine) -> Callable[[str], str]:
    """Start the systemd of the user ``shop``; gives what runs a script as that user."""
    # What libpam-systemd does, which a plain Debian does not have.
    runtime = "[Service]\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n"
    machine.write("/etc/systemd/system/user@.service.d/runtime.conf", runtime)
    # As the README says; the root of this machine may have it.
    ensure_package(machine, "dbus-user-session")
    machine.sh("systemctl daemon-reload && systemctl start user@$(id -u shop).service")
    return lambda script: machine.sh(AS_USER + script, user="shop")


def timers(as_user: Callable[[str], str]) -> list[str]:
    listed = as_user("systemctl --user list-units --plain --no-legend --state=active 'linod-*.timer'")
    return sorted(line.split()[0] for line in listed.splitlines())


def test_demo_site_under_the_users_own_systemd(machine: Machine) -> None:
    machine.sh("mv /etc/linod /etc/linod-elsewhere")
    as_user = users_systemd(machine)
    refused = machine.run("bash", "-c", f"{AS_USER} linod-generate-units", user="shop", check=False)
    assert (refused.returncode != 0, "the demo site is not set up" in refused.stderr) == (True, True)
    project = "mkdir project; cd project; touch manage.py; linod setup"
    refused = machine.run("bash", "-c", f"{AS_USER} {project}", user="shop", check=False)
    assert "this folder has a manage.py, and DJANGO_SETTINGS_MODULE is not set" in refused.stderr
    assert as_user("ls .local/state 2>/dev/null; true") == "", "no site is made by accident"
    as_user("linod manage migrate -v0 && linod setup")
    as_user("linod-generate-units && systemctl --user daemon-reload && systemctl --user start linod.target")
    machine.poll(lambda: len(timers(as_user)) == 7, 20, "the user's timers")
    jobs = machine.poll(lambda: json.loads(as_user("linod jobs --json")), 30, "a job")
    assert jobs[-1]["trigger"] == "timer"
    as_user("linod cancel checkdata")
    machine.poll(
        lambda: "inactive" in as_user("systemctl --user is-active linod-checkdata.timer || true"),
        10,
        "its end",
    )
    assert as_user("systemctl --user --failed --plain --no-legend") == ""


@pytest.mark.timeout(300)
def test_a_site_of_ones_own_with_pip_alone(machine: Machine) -> None:
    """In a venv of the user's own; the site that root has configured on this host stays another's."""
    machine.sh(f"cp -r {SOURCE} /srv/source && rm -rf /srv/source/.venv && chmod -R a+rX /srv/source")
    as_user = users_systemd(machine)
    as_user("cp -r /srv/source source && python3 -m venv own/env")
    as_user("own/env/bin/pip install -q --use-pep517 ./source")
    as_user("cd own && env/bin/django-admin startproject own . ")
    as_user(f"cd own && cat >> own/settings.py <<'END'\n{SETTINGS}\nEND")
    as_user(f"cd own && cat > own/procedures.py <<'END'\n{PROCEDURES}\nEND")
    mine = "export DJANGO_SETTINGS_MODULE=own.settings; export PATH=$HOME/own/env/bin:$PATH; cd own;"

    def typed(script: str) -> str:
        return as_user(mine + script)

    typed("linod manage migrate -v0 && linod setup")
    typed("linod-generate-units --user && systemctl --user daemon-reload")
    typed("systemctl --user enable --now linod.target")
    timer = "linod-own-says_where.timer"
    machine.poll(lambda: timer in timers(as_user), 30, "its timer")
    jobs = machine.poll(lambda: json.loads(typed("linod jobs says_where --json")), 30, "a job")
    assert (jobs[-1]["trigger"], jobs[-1]["message"]) == ("timer", "/home/shop/own")
    machine.poll(lambda: json.loads(typed("linod jobs says_where --json"))[0]["warm"], 30, "a warm job")
    typed("linod run fails")
    machine.poll(lambda: json.loads(typed("linod jobs fails --json --status failed")), 30, "its failure")
    linger_is_off = typed("linod doctor || true")
    has_polkit = bool(machine.sh("systemctl list-unit-files --no-legend polkit.service", check=False))
    enable = "loginctl enable-linger" if has_polkit else "as root: loginctl enable-linger shop"
    assert f"WRONG   your jobs go on while you are not logged in: {enable}\n" in linger_is_off
    # Masked in a box. Nobody has logged in here, so that root says for whom.
    machine.sh("systemctl unmask systemd-logind; systemctl start systemd-logind")
    # The logind of 257 has no users in a box ("Protocol driver not attached").
    lingers = not machine.run("loginctl", "enable-linger", "shop", check=False).returncode
    told = typed("linod doctor || true")
    assert "ok      own: its units are in place and as generated" in told
    assert "ok      own: its 2 timers are active" in told and "ok      own: its supervisor is alive (" in told
    assert ("ok      your jobs go on while you are not logged in" in told) == lingers
    wrong = [line for line in told.splitlines() if line.startswith("WRONG") and "logged in" not in line]
    assert [line.partition(":")[0] for line in wrong] == [
        "WRONG   the clock is synchronised",
        "WRONG   own",
    ], wrong
    assert "it says: fails: it was cancelled by a failure" in wrong[1]
    typed("linod cancel says_where")
    machine.poll(lambda: timer not in timers(as_user), 20, "its timer to stop")
    assert machine.sh("systemctl list-units --plain --no-legend 'linod-own*'") == ""
    machine.sh("systemctl is-active linod-supervisor@default linod-checkdata.timer")
