"""What a job costs that the supervisor forks: ``sudo .venv/bin/python -m tests.bench.warm``.

What matters is the ratios within one run: machines are noisy.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

from tests.bench.table import print_table, progress
from tests.support.in_machine import add_shop, add_shops_code, await_supervisor, jobs, show
from tests.support.machine import SOURCE, Machine, Workshop

REPEAT = 30
AT_ONCE = 200
FORKS = 20_000
PREFIX = "at_once_"

# Run inside: how long each `systemctl start` took, and what CPU all services used meanwhile.
STARTS = """
import json, subprocess, sys, time
def used():
    with open("/sys/fs/cgroup/linod.slice/cpu.stat") as file:
        return int(file.readline().split()[1])
found = {}
for unit in sys.argv[2:] * 2:  # the first round finds caches empty
    times, before = [], used()
    for _ in range(int(sys.argv[1])):
        began = time.monotonic()
        subprocess.run(["systemctl", "start", unit])
        times.append(time.monotonic() - began)
    time.sleep(1)
    found[unit] = [times, (used() - before) / len(times) / 1e6]
print(json.dumps(found))
"""
# Run inside as the site's user: requests that are refused after the fork, as they come from no unit.
REQUESTS = """
import socket, sys
from concurrent.futures import ThreadPoolExecutor
def ask(_):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(sys.argv[1])
        socket.send_fds(client, [b"linod-job 1\\0does_nothing\\0/srv/shop"], [0, 1, 2])
        said = client.recv(4096)
        while said == b"wait":
            said = client.recv(4096)
        assert b"it is not asked for by" in said, said
with ThreadPoolExecutor(4) as threads:
    print(len(list(threads.map(ask, range(int(sys.argv[2]))))))
"""
MAKE = f"""
from linod_systemd.models import JobRule
JobRule.objects.bulk_create(
    JobRule(name=f"{PREFIX}{{number}}", procedure="does_nothing", every_unit="never")
    for number in range({AT_ONCE})
)
"""
BARE = (
    "import django, time; django.setup(); "
    "print([line for line in open('/proc/self/smaps_rollup') if line.startswith('Pss:')][0])"
)


def main() -> None:
    with Workshop() as workshop, Machine(workshop) as machine:
        progress("installing")
        machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)
        _add_sites(machine)
        _one_job(machine)
        _at_once(machine)
        _idle(machine)
        _memory(machine)
        _forks(machine)


def _add_sites(machine: Machine) -> None:
    """``shop``, the same code ``cold``, and ``heavy``; quiet but for what is asked of them."""
    add_shops_code(machine)
    add_shop(machine)
    machine.sh(f"cp -r {SOURCE}/tests/sites/heavy /srv/ && useradd --system heavy && useradd --system cold")
    site = 'user = "{0}"\nsettings = "{1}"\npython = "/opt/linod/bin/python"\ndirectory = "/srv/{2}"\n'
    machine.write("/etc/linod/heavy.toml", site.format("heavy", "heavy.settings", "heavy"))
    machine.write("/etc/linod/cold.toml", site.format("cold", "shop.settings", "shop") + "preload = false\n")
    for name in ("heavy", "cold"):
        machine.sh(f"linod --site {name} manage migrate -v0")
    machine.sh("linod-generate-units && systemctl daemon-reload")
    for name in ("heavy", "cold"):
        await_supervisor(machine, name)
    for name in ("default", "shop", "heavy", "cold"):
        machine.sh(
            f"linod --site {name} manage shell -c 'from linod_systemd.models import JobRule as R;"
            ' R.objects.cancel("person")\''
        )
    machine.poll(lambda: not machine.sh("systemctl list-timers --no-legend 'linod-*-*'"), 60, "quiet timers")


def _one_job(machine: Machine) -> None:
    progress("one job at a time")
    sandboxed = "/etc/systemd/system/linod-shop-does_nothing.service"
    python = "/usr/bin/python3 -I -S -c pass"
    for name, command in (("true", "/bin/true"), ("python", python)):
        machine.write(
            f"/etc/systemd/system/bench-{name}.service", f"[Service]\nType=oneshot\nExecStart={command}\n"
        )
    machine.sh(
        f"sed 's#^ExecStart=.*#ExecStart={python}#; /^On[FS]/d' {sandboxed} "
        "> /etc/systemd/system/bench-sandboxed.service; systemctl daemon-reload"
    )
    units = {
        "bench-true": "/bin/true",
        "bench-python": "python3 -I -S -c pass",
        "bench-sandboxed": "the same in the sandbox of a job",
        "linod-shop-does_nothing": "a job, warm",
        "linod-heavy-does_nothing": "a job, warm, of a site that takes 2 s and 200 MB to load",
        "linod-cold-does_nothing": "a job, cold",
    }
    machine.write("/root/starts.py", STARTS)
    found: dict[str, Any] = json.loads(
        machine.run("python3", "/root/starts.py", str(REPEAT), *units, timeout=580).stdout
    )
    for site, warm in (("shop", True), ("heavy", True), ("cold", False)):
        kinds = {job["warm"] for job in jobs(machine, "does_nothing", site)}
        assert kinds == {warm}, f"{site}: {kinds}"
    base = {unit: statistics.median(times) for unit, (times, _) in found.items()}
    rows = []
    for unit, name in units.items():
        wall, cpu = base[unit], found[unit][1]
        against = [
            f"{wall / base[other]:.1f} ×" for other in ("bench-true", "bench-python", "bench-sandboxed")
        ]
        rows.append((name, f"{wall * 1000:.0f} ms", *against, f"{cpu * 1000:.0f} ms"))
    columns = ("", "median", "÷ true", "÷ python", "÷ sandboxed python", "CPU of all services")
    print_table(f"systemctl start, medians of {REPEAT} (aim: warm ≤ 2 × python)", columns, rows)
    cheaper = found["linod-cold-does_nothing"][1] / found["linod-shop-does_nothing"][1]
    heavy = base["linod-heavy-does_nothing"] / base["linod-shop-does_nothing"]
    print(f"CPU, cold ÷ warm: {cheaper:.1f} × (aim: ≥ 8 ×)")
    print(f"warm, heavy site ÷ demo site: {heavy:.2f} × (aim: ≤ 1.3 ×)")


def _at_once(machine: Machine) -> None:
    progress(f"{AT_ONCE} at once")
    machine.run("linod", "--site", "shop", "manage", "shell", "-c", MAKE)
    pattern = f"linod-shop-{PREFIX}"
    names = f"/etc/systemd/system/{pattern}*.service"
    machine.poll(
        lambda: len(machine.sh(f"ls {names} 2>/dev/null", check=False).split()) == AT_ONCE, 60, "units"
    )
    bare = f"seq {AT_ONCE} | xargs -P {AT_ONCE} -I{{}} systemd-run --quiet --wait /bin/true"
    began = time.monotonic()
    machine.sh(bare, timeout=580)
    without = time.monotonic() - began
    began = time.monotonic()
    machine.sh(f"systemctl start $(cd /etc/systemd/system && ls {pattern}*.service)", timeout=580)
    taken = time.monotonic() - began
    rows = [job for job in jobs(machine, site="shop") if job["rule"].startswith(PREFIX)]
    ended = {job["rule"] for job in rows if job["status"] == "success"}
    warm = sum(job["warm"] for job in rows)
    print_table(
        f"{AT_ONCE} at once",
        ("", "seconds", "a second", "ratio"),
        [
            ("systemd-run --wait /bin/true", f"{without:.1f}", f"{AT_ONCE / without:.0f}", "1.0 ×"),
            ("warm jobs", f"{taken:.1f}", f"{AT_ONCE / taken:.0f}", f"{taken / without:.1f} ×"),
        ],
    )
    print(f"{len(ended)} of {AT_ONCE} ended well, {len(rows) - len(ended)} more than once, {warm} warm")


def _idle(machine: Machine) -> None:
    progress("idle for a minute")
    process = show(machine, "linod-supervisor@shop.service", "MainPID")
    group = show(machine, "linod-supervisor@shop.service", "ControlGroup")

    def counted() -> tuple[float, int, float]:
        stat = machine.read(f"/proc/{process}/stat").rpartition(")")[2].split()
        status = machine.read(f"/proc/{process}/status")
        switches = sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)
        whole = int(machine.read(f"/sys/fs/cgroup{group}/cpu.stat").split()[1]) / 1e6
        return (int(stat[11]) + int(stat[12])) / 100, switches, whole

    before = counted()
    time.sleep(60)
    cpu, switches, whole = (after - first for after, first in zip(counted(), before, strict=True))
    print_table(
        "Idle for a minute, all timers stopped",
        ("", "CPU", "context switches"),
        [
            ("the supervisor's process", f"{cpu:.2f} s", f"{switches:.0f}"),
            ("with its checks, each a fork", f"{whole:.2f} s", ""),
        ],
    )


def _pss(machine: Machine, process: str) -> float:
    return int(machine.sh(f"grep ^Pss: /proc/{process}/smaps_rollup").split()[1]) / 1024


def _memory(machine: Machine) -> None:
    progress("memory")
    supervisor = show(machine, "linod-supervisor@heavy.service", "MainPID")
    bare = machine.sh(
        "cd /srv/heavy && DJANGO_SETTINGS_MODULE=heavy.settings LINOD_SITE=heavy "
        f'/opt/linod/bin/python -c "{BARE}"',
        user="heavy",
    )
    alone = int(bare.split()[1]) / 1024
    before = _pss(machine, supervisor)
    units = [f"linod-heavy-waits_{number}.service" for number in range(10)]
    machine.sh(f"systemctl start --no-block {' '.join(units)}")
    machine.poll(
        lambda: sum(job["status"] == "running" and job["warm"] for job in jobs(machine, site="heavy")) == 10,
        60,
        "ten jobs",
    )
    groups = " ".join(f"/sys/fs/cgroup/linod.slice/linod-heavy.slice/{unit}/cgroup.procs" for unit in units)
    processes = [supervisor, *machine.sh(f"cat {groups}").split()]
    with_ten = sum(_pss(machine, process) for process in processes)
    machine.sh("touch /var/lib/linod/heavy/go")
    print_table(
        "Memory (PSS) of the heavy site",
        ("", "MiB", "ratio"),
        [
            ("a bare django.setup()", f"{alone:.1f}", "1.00 ×"),
            ("the supervisor", f"{before:.1f}", f"{before / alone:.2f} ×"),
            ("and ten jobs at once, with their clients", f"{with_ten:.1f}", f"{with_ten / alone:.2f} ×"),
            ("a job adds", f"{(with_ten - before) / 10:.1f}", f"{(with_ten - before) / 10 / alone:.3f} ×"),
        ],
    )


def _forks(machine: Machine) -> None:
    progress(f"{FORKS:,} forks")
    process = show(machine, "linod-supervisor@shop.service", "MainPID")
    path = "/run/linod/shop/shared/supervisor.socket"
    machine.write("/srv/requests.py", REQUESTS)

    def counted() -> tuple[float, int, int]:
        opened = len(machine.sh(f"ls /proc/{process}/fd").split())
        zombies = machine.sh(f"grep -l '^PPid:[[:space:]]*{process}$' /proc/[0-9]*/status", check=False)
        return _pss(machine, process), opened, len(zombies.split())

    machine.run("python3", "/srv/requests.py", path, "200", user="shop")
    before = counted()
    began = time.monotonic()
    machine.run("python3", "/srv/requests.py", path, str(FORKS), user="shop", timeout=1800)
    taken = time.monotonic() - began
    time.sleep(2)
    rows = [
        (name, f"{memory:.1f}", str(opened), str(children))
        for name, (memory, opened, children) in (("at the start", before), ("at the end", counted()))
    ]
    columns = ("", "PSS MiB", "open files", "children")
    print_table(f"{FORKS:,} forks, {FORKS / taken:.0f} a second: the supervisor", columns, rows)


if __name__ == "__main__":
    main()
