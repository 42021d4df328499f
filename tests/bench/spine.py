"""Times of the way of the data, in a booted systemd: ``sudo .venv/bin/python -m tests.bench.spine``.

What matters is the ratios within one run: machines are noisy.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from functools import partial

from tests.support.in_machine import active_timers, show, switch_off
from tests.support.machine import SOURCE, Machine, Workshop

REPEAT = 30
CANCELS = 15


def seconds(do: Callable[[], object]) -> float:
    began = time.monotonic()
    do()
    return time.monotonic() - began


def median(do: Callable[[], object], repeat: int = REPEAT) -> float:
    return statistics.median(seconds(do) for _ in range(repeat))


def say(what: str, value: float, base: float | None = None) -> None:
    ratio = f"{value / base:8.1f} ×" if base else ""
    print(f"{what:68} {value * 1000:8.0f} ms {ratio}", flush=True)


def main() -> None:
    with Workshop() as workshop:
        with Machine(workshop) as machine:
            say("install.sh", seconds(lambda: machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)))
            layer = machine.snapshot()
        began = time.monotonic()
        with Machine(workshop, layers=[layer]) as machine:
            say("boot, until PID 1 has started everything", time.monotonic() - began)
            machine.poll(lambda: len(active_timers(machine)) == 7, 60, "the timers")
            machine.sh("linod cancel send_pending_emails_often")
            _jobs(machine)
            _cancel(machine)
            _generate(machine)


def _jobs(machine: Machine) -> None:
    for name, command in (("true", "/bin/true"), ("python", "/usr/bin/python3 -I -S -c pass")):
        machine.write(
            f"/etc/systemd/system/bench-{name}.service", f"[Service]\nType=oneshot\nExecStart={command}\n"
        )
    machine.sh("systemctl daemon-reload")
    base = median(lambda: machine.run("systemctl", "start", "bench-true"))
    say("systemctl start: /bin/true", base, base)
    say(
        "systemctl start: python3 -I -S -c pass",
        median(lambda: machine.run("systemctl", "start", "bench-python")),
        base,
    )
    job = median(lambda: machine.run("systemctl", "start", "linod-clear_seen_messages"))
    say("systemctl start: a job, clear_seen_messages", job, base)


def _cancel(machine: Machine) -> None:
    def until(rule: str, there: bool) -> None:
        machine.poll(lambda: (f"linod-{rule}" in active_timers(machine)) is there, 20, "the timer")

    def cancelled() -> None:
        until("checkdata", False)

    switch_off(machine, "linod-supervisor@default.service")  # no other process of ours is alive
    command = median(lambda: machine.sh("linod status"), 5)
    say("linod status, for comparison", command, command)
    times = []
    for _ in range(CANCELS):
        machine.sh("linod cancel checkdata")
        times.append(seconds(cancelled))
        machine.sh("linod enable checkdata")
        until("checkdata", True)
    say("a cancelled rule's timer stops after (aim: 2,000 ms)", statistics.median(times), command)
    say(f"  the slowest of {CANCELS}", max(times), command)
    _run_now(machine, command)


def _run_now(machine: Machine, command: float) -> None:
    unit, name = "linod-clear_seen_messages.service", "InactiveExitTimestampMonotonic"

    def started(before: str) -> None:
        machine.poll(lambda: show(machine, unit, name) != before, 20, "the start")

    times = []
    for _ in range(CANCELS):
        before = show(machine, unit, name)
        machine.run("linod", "run", "clear_seen_messages", user="linod")
        times.append(seconds(partial(started, before)))
    say("linod run: its unit starts after (aim: 2,000 ms)", statistics.median(times), command)
    say(f"  the slowest of {CANCELS}", max(times), command)


def _generate(machine: Machine) -> None:
    base = median(lambda: machine.sh("linod-generate-units"), 10)
    say("linod-generate-units, 7 rules, nothing to do", base, base)
    rules = [{"name": f"rule{number}", "start_date": "2026-01-31"} for number in range(1000)]
    document = {"version": 1, "site": "default", "timezone": "UTC", "rules": rules}
    machine.write("/tmp/r.json", json.dumps(document))
    command = "linod-generate-units --rules /tmp/r.json --output /tmp/units"
    say("1,000 rules into an empty folder, verified", seconds(lambda: machine.sh(command)), base)
    say("  again, nothing to do", seconds(lambda: machine.sh(command)), base)


if __name__ == "__main__":
    main()
