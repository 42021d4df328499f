"""``linod install-site`` on a project as `startproject` makes it: it asks, does that, and waits."""

from __future__ import annotations

import pytest

from tests.support.in_machine import active_timers
from tests.support.machine import Machine
from tests.system.test_root_terminal import converse

pytestmark = pytest.mark.long

INSTALL = "cd /srv/kiosk && linod install-site kiosk --settings kiosk.settings --user kiosk"
PYTHON = "/opt/linod/bin/python"
ANNA = 'from django.contrib.auth.models import User; User.objects.create_user("anna")'
HOLDS = 'import sqlite3, time; d = sqlite3.connect("db.sqlite3"); d.execute("select 1"); time.sleep(99)'
BESIDE = "lies beside the code"


@pytest.fixture
def kiosk(machine: Machine) -> Machine:
    """A machine with a new project, whose SQLite database is to lie beside its manage.py."""
    machine.sh("linod uninstall-site default; useradd --system --create-home --home-dir /srv/kiosk kiosk")
    machine.sh(f"cd /srv/kiosk && {PYTHON} -m django startproject kiosk .", user="kiosk")
    settings = 'INSTALLED_APPS += ["linod_systemd"]\nfrom pathlib import Path\n'
    machine.sh(f"cat >> /srv/kiosk/kiosk/settings.py <<'END'\n{settings}\nEND")
    machine.sh("chown -R kiosk /srv/kiosk")
    return machine


def install(machine: Machine, *options: str, check: bool = True) -> str:
    done = machine.run("bash", "-c", " ".join([INSTALL, "--python", PYTHON, *options]), check=False)
    assert (done.returncode == 0) == check, done.stderr
    return done.stdout + done.stderr


def test_without_a_terminal_it_says_what_to_give_and_writes_nothing(kiosk: Machine) -> None:
    said = install(kiosk, check=False)
    assert f"the database '/srv/kiosk/db.sqlite3' {BESIDE}" in said and "--move-database" in said
    kiosk.sh(
        "sed -i 's/BASE_DIR . .db.sqlite3./\"\\/var\\/lib\\/linod\\/kiosk\\/db.sqlite3\"/' "
        "/srv/kiosk/kiosk/settings.py"
    )
    said = install(kiosk, check=False)
    assert "has no tables yet: --migrate, or: runuser -u kiosk --" in said
    assert kiosk.sh("ls /etc/linod/*.toml", check=False) == ""
    install(kiosk, "--migrate")
    assert "linod-kiosk-clear_too_old_job_history" in active_timers(kiosk)
    assert "writable = []" in kiosk.read("/etc/linod/kiosk.toml")


def test_in_a_terminal_it_asks_and_does_it(kiosk: Machine) -> None:
    kiosk.sh(f"cd /srv/kiosk && {PYTHON} manage.py migrate -v0 auth", user="kiosk")
    kiosk.sh(f"cd /srv/kiosk && {PYTHON} manage.py shell -v0 -c '{ANNA}'", user="kiosk")
    answers = [("Move it to /var/lib/linod/kiosk now", "\n"), ("Make its tables now, as kiosk", "y\n")]
    seen = converse(kiosk, f"({INSTALL} --python {PYTHON})", answers)
    assert "moved to /var/lib/linod/kiosk/db.sqlite3; a link is in its place" in seen
    assert "kiosk is installed; see: systemctl list-timers 'linod-kiosk-*'; linod status" in seen
    assert "linod-kiosk-clear_too_old_job_history" in active_timers(kiosk), "it returns when they are there"
    assert kiosk.sh("readlink /srv/kiosk/db.sqlite3").strip() == "/var/lib/linod/kiosk/db.sqlite3"
    assert "writable = []" in kiosk.read("/etc/linod/kiosk.toml")
    users = "from django.contrib.auth.models import User; print(User.objects.count())"
    assert kiosk.run("linod", "manage", "shell", "-v0", "-c", users).stdout.strip() == "1"
    kiosk.sh("linod-run clear_too_old_job_history")
    assert kiosk.run("linod", "status").returncode == 0


def test_who_does_not_agree_has_changed_nothing(kiosk: Machine) -> None:
    kiosk.sh(f"cd /srv/kiosk && {PYTHON} manage.py migrate -v0", user="kiosk")
    seen = converse(kiosk, f"({INSTALL} --python {PYTHON})", [("Move it to", "n\n")])
    assert f"linod: the database '/srv/kiosk/db.sqlite3' {BESIDE}: stop the site's processes" in seen
    assert kiosk.sh("ls /etc/linod/*.toml", check=False) == ""
    assert kiosk.sh("test -L /srv/kiosk/db.sqlite3 || echo a file").strip() == "a file"


def test_a_database_that_is_in_use_stays(kiosk: Machine) -> None:
    kiosk.sh(f"cd /srv/kiosk && {PYTHON} manage.py migrate -v0", user="kiosk")
    kiosk.sh(f"systemd-run --quiet --uid kiosk --working-directory /srv/kiosk {PYTHON} -c '{HOLDS}'")
    opened = "ls -l /proc/*/fd 2>/dev/null | grep db.sqlite3"
    kiosk.poll(lambda: kiosk.sh(opened, check=False), 20, "it to be open")
    said = install(kiosk, "--move-database", check=False)
    assert "/srv/kiosk/db.sqlite3 is open in python" in said and "stop that, and try again" in said
    assert kiosk.sh("test -L /srv/kiosk/db.sqlite3 || echo a file").strip() == "a file"
