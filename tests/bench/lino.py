"""What a Lino Noi site's tasks cost: ``sudo .venv/bin/python -m tests.bench.lino``. It loads Noi's demo data.

What matters is the ratios within one run: machines are noisy.
"""

from __future__ import annotations

import json
import shlex
import statistics
import time
from collections.abc import Callable
from typing import Any

from tests.bench.table import print_table, progress
from tests.support.in_machine import show
from tests.support.lino_machine import PYTHON, SITE, add_lino, add_noi, in_site, install_site
from tests.support.machine import SOURCE, Machine, Workshop

COLD, WARM, REACHED = 5, 30, 9
MINUTE = 70  # seconds, so that six firings lie within
TIMES = f"{SITE}/noi/log/times"
CLEAR = (
    "from lino.modlib.linod.choicelists import Procedures; from lino.core.requests import BaseRequest; "
    "Procedures.clear_seen_messages.run(BaseRequest())"
)
# Run inside: wall and CPU seconds of a command, and of a unit that is started.
OF_COMMAND = """
import json, os, subprocess, sys, time
found = []
for _ in range(int(sys.argv[1])):
    began = time.monotonic()
    child = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    used = os.wait4(child.pid, 0)[2]
    found.append([time.monotonic() - began, used.ru_utime + used.ru_stime])
print(json.dumps(found))
"""
OF_UNIT = """
import json, subprocess, sys, time
def used():
    with open("/sys/fs/cgroup/linod.slice/cpu.stat") as file:
        return int(file.readline().split()[1]) / 1e6
found = []
for _ in range(int(sys.argv[1])):
    before, began = used(), time.monotonic()
    subprocess.run(["systemctl", "start", sys.argv[2]], check=True)
    took = time.monotonic() - began
    time.sleep(0.2)
    found.append([took, used() - before])
print(json.dumps(found))
"""
# Run inside, in the site: seconds from the save of a task to what systemd does.
REACHING = """
import subprocess, time, json
from django.utils import timezone
def until(done):
    began = time.monotonic()
    while not done() and time.monotonic() - began < 60:
        time.sleep(0.01)
    return time.monotonic() - began
def state(unit, name="ActiveState"):
    return subprocess.run(
        ["systemctl", "show", "--value", "--property", name, unit], capture_output=True, text=True
    ).stdout.strip()
task = rt.models.linod.SystemTask.objects.get
timed, asked, found = task(name="checkdata"), task(name="warns"), []
for _ in range(TIMES):
    timed.disabled = True
    timed.save()
    stopped = until(lambda: state("linod-noi-checkdata.timer") == "inactive")
    timed.disabled = False
    timed.save()
    started = until(lambda: state("linod-noi-checkdata.timer") == "active")
    before = state("linod-noi-warns.service", "InactiveExitTimestampMonotonic")
    asked.requested_at = timezone.now()
    asked.save()
    ran = until(lambda: state("linod-noi-warns.service", "InactiveExitTimestampMonotonic") != before)
    found.append([stopped, started, ran])
print(json.dumps(found))
"""


def main() -> None:
    with Workshop() as workshop, Machine(workshop, network=True) as machine:
        progress("installing, and loading the demo data of Lino Noi")
        machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)
        add_lino(machine)
        add_noi(machine)
        machine.sh("linod uninstall-site default")
        loop = _minute(machine, _under_lino)
        install_site(machine, "noi", "noi.settings")
        timers = _minute(machine, _under_timers)
        _print_minutes(loop, timers)
        _one_job(machine)
        _reaching(machine)


def _one_job(machine: Machine) -> None:
    progress(f"clear_seen_messages, {COLD} times cold and {WARM} times warm")
    for rule in ("ticks", "notes_time", "send_pending_emails_often", "read_inbox"):
        machine.sh(f"linod --site noi cancel {rule}")
    shell = f"cd {SITE} && DJANGO_SETTINGS_MODULE=noi.settings exec {PYTHON} manage.py shell -c {CLEAR!r}"
    command = ("runuser", "-u", "lino", "--", "sh", "-c", shell)
    cold = _measured(machine, OF_COMMAND, COLD, *command)
    warm = _measured(machine, OF_UNIT, WARM, "linod-noi-clear_seen_messages")
    rows = [
        (name, f"{wall * 1000:.0f}", f"{cpu * 1000:.0f}", f"{cold[1] / cpu:.1f} ×")
        for name, (wall, cpu) in (("manage.py shell -c, cold", cold), ("systemctl start, warm", warm))
    ]
    columns = ("clear_seen_messages on Lino Noi", "wall ms", "CPU ms", "cheaper in CPU")
    print_table("One job, medians", columns, rows)


def _reaching(machine: Machine) -> None:
    progress(f"{REACHED} saves of a task")
    found = json.loads(in_site(machine, f"TIMES = {REACHED}\n{REACHING}", "noi"))
    rows = [
        (name, f"{statistics.median(times) * 1000:.0f}", f"{max(times) * 1000:.0f}")
        for name, times in zip(
            ("disabled: its timer is stopped", "enabled: it is started", "requested: its unit starts"),
            zip(*found, strict=True),
            strict=True,
        )
    ]
    print_table("From the save of a task to systemd (aim 2,000 ms)", ("", "median ms", "slowest ms"), rows)


def _measured(machine: Machine, script: str, times: int, *command: str) -> tuple[float, float]:
    said = machine.run("python3", "-c", script, str(times), *command, timeout=600).stdout
    walls, cpus = zip(*json.loads(said), strict=True)
    return statistics.median(walls), statistics.median(cpus)


def _minute(machine: Machine, serve: Callable[[Machine], dict[str, Any]]) -> dict[str, Any]:
    progress(f"a minute {serve.__name__.removeprefix('_').replace('_', ' ')}")
    machine.sh(f"rm -f {TIMES}")
    found = serve(machine)
    times = [float(line) for line in machine.read(TIMES).split()]
    gaps = [after - before - 10 for before, after in zip(times, times[1:], strict=False)]
    return found | {"firings": len(times), "late": max(gaps, default=0.0)}


def _under_lino(machine: Machine) -> dict[str, Any]:
    """`manage.py linod`, which is asked for a job of 20 s amid its minute."""
    # It may not be ours that Lino loads: the plugin's command is Lino's own without it.
    machine.sh(
        f"mkdir /tmp/plain && cp -r {SITE}/noi {SITE}/small {SITE}/manage.py /tmp/plain/ &&"
        "sed -i '/\"linod_systemd\"/d' /tmp/plain/noi/settings.py && chown -R lino /tmp/plain"
    )
    machine.sh(f"rm -rf /tmp/plain/noi/log && ln -s {SITE}/noi/log /tmp/plain/noi/log")
    machine.sh(
        "systemd-run --quiet --unit loop --uid lino -p CPUAccounting=yes -p WorkingDirectory=/tmp/plain "
        f"-E DJANGO_SETTINGS_MODULE=noi.settings {PYTHON} manage.py linod"
    )
    machine.poll(lambda: machine.sh(f"cat {TIMES} 2>/dev/null", check=False), 120, "its first tick")
    before = int(show(machine, "loop.service", "CPUUsageNSec"))
    time.sleep(15)
    ask = (
        "import django; django.setup(); from lino.api import rt; from django.utils import timezone; "
        "rt.models.linod.SystemTask.objects.filter(name='sleeps').update(requested_at=timezone.now())"
    )
    machine.sh(
        f"cd /tmp/plain && DJANGO_SETTINGS_MODULE=noi.settings PYTHONPATH=. {PYTHON} -c {ask!r}", user="lino"
    )
    time.sleep(MINUTE - 15)
    found = {
        "cpu": (int(show(machine, "loop.service", "CPUUsageNSec")) - before) / 1e9,
        "pss": _pss(machine, "loop.service"),
    }
    machine.sh("systemctl stop loop")
    return found


def _under_timers(machine: Machine) -> dict[str, Any]:
    machine.poll(lambda: machine.sh(f"cat {TIMES} 2>/dev/null", check=False), 60, "the first tick")
    before = _used(machine)
    time.sleep(15)
    machine.sh("systemctl start --no-block linod-noi-sleeps")
    time.sleep(MINUTE - 15)
    return {"cpu": _used(machine) - before, "pss": _pss(machine, "linod-supervisor@noi.service")}


def _used(machine: Machine) -> float:
    return int(machine.read("/sys/fs/cgroup/linod.slice/cpu.stat").split()[1]) / 1e6


def _pss(machine: Machine, unit: str) -> float:
    """MiB of all processes of a unit."""
    group = show(machine, unit, "ControlGroup")
    processes = shlex.quote(f"/sys/fs/cgroup{group}/cgroup.procs")  # a slice may have a backslash in its name
    listed = machine.sh(f"cat $(sed 's|.*|/proc/&/smaps_rollup|' {processes})")
    return sum(int(line.split()[1]) for line in listed.splitlines() if line.startswith("Pss:")) / 1024


def _print_minutes(loop: dict[str, Any], timers: dict[str, Any]) -> None:
    rows = [
        (
            name,
            str(found["firings"]),
            f"{found['late']:.1f}",
            f"{found['cpu']:.1f}",
            f"{found['pss']:.0f}",
        )
        for name, found in (("manage.py linod", loop), ("timers", timers))
    ]
    columns = ("every 10 s, beside a job of 20 s", "firings", "latest s", "CPU s", "PSS MiB")
    print_table(f"{MINUTE} s of Lino Noi's tasks", columns, rows)


if __name__ == "__main__":
    main()
