"""Lino sites for system tests and benches: made as their maintainers make them."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.support.in_machine import await_supervisor
from tests.support.machine import SOURCE, Machine

SITE = "/srv/lino"
PYTHON = f"{SITE}/env/bin/python"
WEB = "http://localhost:8123"


def add_lino(machine: Machine) -> None:
    """The code of the Lino sites, their user, and Lino in an environment of its own."""
    machine.sh(
        f"useradd --system --create-home lino && install -d -o lino {SITE}\n"
        f"cp -r {SOURCE}/tests/sites/lino_site/. {SITE}/ && mkdir {SITE}/small/log {SITE}/noi/log\n"
        f"/usr/bin/python3 -m venv {SITE}/env && cp -r {SOURCE} /tmp/source\n"
        f"{PYTHON} -m pip install --quiet '/tmp/source[lino]' lino-noi lino-react num2words pytest\n"
        f"rm -rf /tmp/source; chown -R lino {SITE}",
        timeout=580,
    )


def add_noi(machine: Machine) -> None:
    """What Noi needs besides, and its demo data: two minutes."""
    machine.sh(
        f"cd {SITE} && DJANGO_SETTINGS_MODULE=noi.settings {PYTHON} manage.py install --noinput\n"
        f"chown -R lino {SITE}",
        timeout=580,
    )
    manage(machine, "noi.settings", "prep --noinput", timeout=1200)


def manage(machine: Machine, settings: str, command: str, *, timeout: float = 300) -> str:
    """What a command of the site's manage.py prints."""
    line = f"cd {SITE} && DJANGO_SETTINGS_MODULE={settings} {PYTHON} manage.py {command}"
    return machine.sh(line, user="lino", timeout=timeout)


def install_site(machine: Machine, site: str, settings: str) -> None:
    # Lino's own default is a database beside the settings.
    options = "--user lino --move-database"
    machine.sh(f"cd {SITE} && linod install-site {site} --settings {settings} {options}")
    # Tests start by hand what they judge as if a timer had started it.
    rules = "from linod_systemd.models import JobRule; JobRule.objects.update(cancel_on_manual_failure=True)"
    machine.run("linod", "--site", site, "manage", "shell", "-c", rules)
    await_supervisor(machine, site)


def in_site(machine: Machine, script: str, site: str = "small") -> str:
    """What a script prints that runs in the site, as its user."""
    settings = re.findall('settings = "(.*)"', machine.read(f"/etc/linod/{site}.toml"))[0]
    loaded = f"import lino; lino.startup({settings!r})\nfrom lino.api import rt, dd\n{script}"
    machine.write("/tmp/script.py", loaded)
    printed = machine.sh(f"cd {SITE} && PYTHONPATH={SITE} {PYTHON} /tmp/script.py", user="lino")
    return re.sub(r"(?m)^(Started|Done|.*unsupported locale).*\n?", "", printed)  # Lino's own


def task(machine: Machine, name: str, site: str = "small") -> dict[str, Any]:
    """The row of a system task, as Lino has it."""
    fields = ("pk", "disabled", "last_start_time", "last_end_time", "requested_at", "message")
    said = in_site(
        machine,
        "import json\n"
        f"row = rt.models.linod.SystemTask.objects.filter(name={name!r}).values(*{fields}).get()\n"
        "print(json.dumps(row, default=str))",
        site,
    )
    found: dict[str, Any] = json.loads(said)
    return found


class Web:
    """What a browser sends to the site: its own pages, its own requests."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.sh(
            f"cd {SITE} && systemd-run --quiet --unit web --uid lino -p WorkingDirectory={SITE} "
            f"{PYTHON} manage.py runserver --noreload --insecure {WEB.removeprefix('http://')}"
        )
        machine.poll(lambda: "html" in self._curl("/", check=False), 60, "the web server to answer")
        answer = self._curl("/auth", "--data", "username=robin&password=1234")
        assert '"success": true' in answer, answer

    def _curl(self, path: str, *options: str, check: bool = True) -> str:
        token = self.machine.sh(
            "awk '$6 == \"csrftoken\" {print $7}' /tmp/jar 2>/dev/null", check=False
        ).strip()
        command = ("curl", "-sS", "-b", "/tmp/jar", "-c", "/tmp/jar", "-H", f"X-CSRFToken: {token}", *options)
        return self.machine.run(*command, f"{WEB}{path}", check=check).stdout

    def get(self, path: str) -> str:
        """The data of a page."""
        return self._curl(path)

    def act(self, name: str, action: str) -> None:
        """Click an action of a system task."""
        key = task(self.machine, name)["pk"]
        answer = self._curl(f"/api/linod/SystemTasks/{key}?an={action}&sr={key}")
        assert '"refresh": true' in answer, answer

    def save(self, name: str, **values: str) -> dict[str, Any]:
        """Save a system task in its detail window; the answer."""
        key = task(self.machine, name)["pk"]
        data = "&".join(f"{field}={value}" for field, value in values.items())
        page = f"/api/linod/SystemTasks/{key}"
        answer: dict[str, Any] = json.loads(
            self._curl(page, "-X", "PUT", "--data", f"an=submit_detail&{data}")
        )
        return answer
