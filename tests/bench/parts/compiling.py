"""Rules to units against daemon-reload: ``sudo .venv/bin/python -m tests.bench.parts.compiling``.

What matters is the ratios within one run: machines are noisy.
"""

from __future__ import annotations

import json
from typing import Any

from tests.bench.spine import median, say, seconds
from tests.support.machine import SOURCE, Machine, Workshop

NUMBER = 1000
WORKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]
KINDS: list[dict[str, Any]] = [
    {"every_unit": "never"},
    {"every_unit": "once", "start_date": "2090-05-01"},
    {"every_unit": "secondly", "every": 10},
    {"every_unit": "secondly", "every": 7},
    {"every_unit": "minutely", "every": 15, "weekdays": WORKDAYS},
    {"every_unit": "hourly", "every": 8, "timezone": "UTC", "weekdays": ["monday"]},
    {"every_unit": "hourly", "every": 2, "end_date": "2090-03-04"},
    {"every_unit": "daily"},
    {"every_unit": "daily", "start_time": "02:30:00"},
    {"every_unit": "daily", "weekdays": WORKDAYS, "jitter": 3600},
    {"every_unit": "daily", "every": 3},
    {"every_unit": "daily", "every": 2, "weekdays": WORKDAYS, "max_events": 5000},
    {"every_unit": "weekly", "weekdays": ["monday", "saturday"]},
    {"every_unit": "weekly", "every": 2, "start_time": "04:00:00"},
    {"every_unit": "monthly"},
    {"every_unit": "monthly", "every": 5, "jitter": 86400},
    {"every_unit": "monthly", "positions": "1 -1", "weekdays": WORKDAYS},
    {"every_unit": "yearly", "start_date": "2024-02-29"},
    {"every_unit": "yearly", "positions": "100 -200", "weekdays": WORKDAYS},
    {"every_unit": "easter"},
]
# Inside the machine: what each step of one command takes, in its own process.
STEPS = """
import contextlib, io, json, sys, time
from linod_systemd.rules import rules_file
from linod_systemd.systemd import analyze
from linod_systemd.units import apply, generate, read_as_user, wanted
spent = {}
def timed(module, name):
    inner = getattr(module, name)
    def outer(*values, **named):
        began = time.monotonic()
        try:
            return inner(*values, **named)
        finally:
            spent[name] = spent.get(name, 0) + time.monotonic() - began
    setattr(module, name, outer)
steps = [(read_as_user, "computed"), (rules_file, "parse"), (wanted, "of_site"), (analyze, "verify")]
for module, name in (*steps, (apply, "apply")):
    timed(module, name)
timed(generate, "generate")
with contextlib.redirect_stdout(io.StringIO()):
    code = generate.main(sys.argv[1:])
print(json.dumps({"code": code, **spent}))
"""


def rules() -> str:
    """A rules.json of all kinds of rules."""
    entries = [
        {"name": f"rule{number}", "start_date": f"2025-{number % 12 + 1:02d}-{number % 28 + 1:02d}"}
        | {"start_time": f"{number % 24:02d}:{number % 60:02d}:00"}
        | KINDS[number % len(KINDS)]
        for number in range(NUMBER)
    ]
    return json.dumps({"version": 1, "site": "default", "timezone": "Europe/Brussels", "rules": entries})


def main() -> None:
    with Workshop() as workshop, Machine(workshop) as machine:
        machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)
        machine.write("/root/rules.json", rules())
        machine.write("/root/steps.py", STEPS)
        machine.sh("printf 'rules_max = 100000\nunit_lines_max = 1000000\n' >> /etc/linod/default.toml")
        nothing = median(lambda: machine.sh("systemctl daemon-reload"), 5)
        say("daemon-reload, the demo site alone", nothing)
        for run in ("from nothing", "nothing to do"):
            _measure(machine, run)


def _measure(machine: Machine, run: str) -> None:
    command = "/root/steps.py --site default --rules /root/rules.json --output /etc/systemd/system"
    spent = json.loads(machine.sh(f"/opt/linod/bin/python {command}"))
    assert spent.pop("code") == 0
    reload = seconds(lambda: machine.sh("systemctl daemon-reload"))
    print(f"{NUMBER:,} mixed rules, {run}")
    say("  daemon-reload", reload, reload)
    say("  linod-generate-units, all but the start of python", spent["generate"], reload)
    for step, what in (
        ("computed", "read, judge and compute rules.json, in a child"),
        ("parse", "judge it once more"),
        ("of_site", "rules to the text of units"),
        ("verify", "systemd-analyze verify"),
        ("apply", "write"),
    ):
        if step in spent:
            say(f"    {what}", spent[step], reload)


if __name__ == "__main__":
    main()
