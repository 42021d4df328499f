"""What the hardening of a unit costs a job's start: ``sudo .venv/bin/python -m tests.bench.hardening``.

Each unit is started hardened and plain in turn, so that a noisy machine is noisy to both.
"""

from __future__ import annotations

import re
import statistics

from tests.bench.spine import seconds
from tests.support.in_machine import active_timers
from tests.support.machine import SOURCE, Machine, Workshop

REPEAT = 30
PLAIN_ENDS = "# No set-uid program gives"  # with which units/hardening.conf.j2 begins


def main() -> None:
    with Workshop() as workshop, Machine(workshop) as machine:
        machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)
        machine.poll(lambda: len(active_timers(machine)) == 7, 60, "the timers")
        machine.sh("systemctl stop linod.target")
        job = machine.read("/etc/systemd/system/linod-clear_seen_messages.service")
        for what, text in (("/bin/true", _with_command(job, "/bin/true")), ("a cold job", job)):
            machine.write("/etc/systemd/system/bench-hardened.service", text)
            machine.write("/etc/systemd/system/bench-plain.service", text.partition(PLAIN_ENDS)[0])
            machine.sh("systemctl daemon-reload")
            _compare(machine, what)


def _with_command(unit: str, command: str) -> str:
    return re.sub("^ExecStart=.*$", f"ExecStart={command}", unit, flags=re.MULTILINE)


def _compare(machine: Machine, what: str) -> None:
    times: dict[str, list[float]] = {"plain": [], "hardened": []}
    for _ in range(REPEAT):
        for kind, found in times.items():
            command = ("systemctl", "start", f"bench-{kind}.service")
            found.append(seconds(lambda command=command: machine.run(*command)))  # type: ignore[misc]
    plain, hardened = (statistics.median(found) for found in times.values())
    cost = (hardened - plain) * 1000
    print(
        f"systemctl start of {what}: plain {plain * 1000:.0f} ms, hardened {hardened * 1000:.0f} ms", end="; "
    )
    print(f"the hardening costs {cost:.0f} ms, {hardened / plain:.2f} ×", flush=True)


if __name__ == "__main__":
    main()
