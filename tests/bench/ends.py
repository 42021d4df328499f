"""How soon the row of a job that died is right: ``sudo .venv/bin/python -m tests.bench.ends``.

From the instant at which systemd saw the process end to the one at which its row has the status that it
is to have. The aim is 5 s: what matters is the ratio to that, machines are noisy.
"""

from __future__ import annotations

import contextlib
import queue
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from tests.bench.table import print_table, progress
from tests.support.in_machine import (
    STATE,
    add_shop,
    add_shops_code,
    database_comes,
    database_goes,
    job_process,
    show,
)
from tests.support.machine import SOURCE, Machine, MachineError, Workshop

REPEAT = 10
AIM = 5.0
CHECK = 29.0  # seconds between two checks of the supervisor
MOST_SECONDS = 60.0
# Inside, as the site's user, until its stdin ends: a line for each status that a row gets.
WATCHES = """
import os, select, sqlite3, sys, time
last, state = int(sys.argv[1]), sys.argv[2]
seen = {}
while not select.select([sys.stdin], [], [], 0.02)[0]:
    if os.path.exists(f"{state}/away"):
        continue
    try:
        database = sqlite3.connect(f"file:{state}/db.sqlite3?mode=ro", uri=True)
        try:
            rows = database.execute(
                "select id, rule_name, status from linod_systemd_job where id > ?", (last,)
            ).fetchall()
        finally:
            database.close()
    except sqlite3.OperationalError as error:
        print(f"not read: {error}", file=sys.stderr, flush=True)
        continue
    for number, rule, status in rows:
        if seen.get(number) != status:
            seen[number] = status
            print(time.time(), number, rule, status, flush=True)
"""
LAST = "from linod_systemd.models import Job; print(max([0, *Job.objects.values_list('pk', flat=True)]))"
GOES_ON = "from linod_systemd.models import JobRule; JobRule.objects.update(cancel_on_failure=False)"


class Rows:
    """What the watcher inside tells of rows, as it comes."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.last = 0  # the row of the run before
        self.told: queue.Queue[tuple[float, int, str, str]] = queue.Queue()
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def _read(self, lines: Iterator[str]) -> None:
        for line in lines:
            at, number, rule, status = line.split()
            self.told.put((float(at), int(number), rule, status))

    def become(self, rule: str, status: str) -> float:
        """When a new row of a rule had this status.

        :raises MachineError: where none has it within a minute, with what they had.
        """
        deadline = time.monotonic() + MOST_SECONDS
        others: list[tuple[int, str, str]] = []
        while True:
            try:
                at, number, of, found = self.told.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise MachineError(
                    f"no job of {rule} became {status} in {MOST_SECONDS} s: {others}"
                ) from None
            if (of, found) == (rule, status) and number > self.last:
                if status != "running":
                    self.last = number
                return at
            others.append((number, of, found))


@contextlib.contextmanager
def watched(machine: Machine) -> Iterator[Rows]:
    last = machine.run("linod", "--site", "shop", "manage", "shell", "-v0", "-c", LAST).stdout.split()[-1]
    command = machine.command("python3", "-c", WATCHES, last, STATE, user="shop")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        assert watcher.stdin is not None and watcher.stdout is not None
        try:
            yield Rows(iter(watcher.stdout))
        finally:
            watcher.stdin.close()
            watcher.wait(timeout=20)


def main() -> None:
    with Workshop() as workshop, Machine(workshop) as machine:
        progress("installing")
        machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)
        add_shops_code(machine)
        add_shop(machine)
        machine.sh("linod --site default cancel send_pending_emails_often")
        machine.sh("linod --site shop cancel ticks; linod --site shop cancel send_pending_emails_often")
        machine.run("linod", "--site", "shop", "manage", "shell", "-v0", "-c", GOES_ON)
        with watched(machine) as rows:
            found = {what: _repeated(what, run, machine, rows) for what, run in RUNS.items()}
    rows_of_table = []
    for what, times in found.items():
        median, slowest = statistics.median(times), max(times)
        cells = (f"{median:.2f}", f"{slowest:.2f}", f"{median / AIM:.2f} ×", f"{slowest / AIM:.2f} ×")
        rows_of_table.append((what, *cells))
    title = f"From the death of a job to its right row: {REPEAT} runs each, aim {AIM:.0f} s"
    print_table(title, ("", "median s", "slowest s", "median / aim", "slowest / aim"), rows_of_table)


Run = Callable[[Machine, Rows, int], float]


def _repeated(what: str, run: Run, machine: Machine, rows: Rows) -> list[float]:
    """Seconds that a row took, in each of the runs."""
    found = []
    for number in range(REPEAT):
        machine.sh(f"rm -f {STATE}/go")
        found.append(run(machine, rows, number))
        progress(f"{what}: {found[-1]:.3f} s")
        machine.poll(lambda: _is_calm(machine), MOST_SECONDS, "the units to end")
    return found


def _is_calm(machine: Machine) -> bool:
    """Whether neither a job nor what records its end runs: a start in that moment would be another case."""
    state = "--state=activating,active,deactivating,reloading"
    listed = machine.sh(f"systemctl list-units --plain --no-legend {state} 'linod-*.service'")
    return all(line.startswith("linod-supervisor@") for line in listed.splitlines())


def _start(machine: Machine, rule: str) -> str:
    unit = f"linod-shop-{rule}.service"
    machine.sh(f"systemctl start --no-block {unit}")
    return unit


def _died(machine: Machine, unit: str) -> float:
    """When PID 1 saw the main process of a unit end."""
    shown = ("systemctl", "show", "--timestamp=us+utc", "--value", "--property=ExecMainExitTimestamp", unit)
    _, day, clock, _ = machine.run(*shown).stdout.split()
    return datetime.fromisoformat(f"{day} {clock}+00:00").timestamp()


def _by_itself(rule: str, status: str) -> Run:
    def run(machine: Machine, rows: Rows, number: int) -> float:
        unit = _start(machine, rule)
        right = rows.become(rule, status)
        return right - _died(machine, unit)

    return run


def _killed(signal: str) -> Run:
    def run(machine: Machine, rows: Rows, number: int) -> float:
        unit = _start(machine, "waits")
        rows.become("waits", "running")
        machine.sh(f"kill -{signal} {job_process(machine, unit)}")
        right = rows.become("waits", "killed")
        return right - _died(machine, unit)

    return run


def _killed_by_hand(machine: Machine, rows: Rows, number: int) -> float:
    machine.sh("setsid --fork linod-run --site shop --here waits >/dev/null 2>&1")
    rows.become("waits", "running")
    pid = machine.sh("grep -lzx linod_systemd[.]run /proc/[0-9]*/cmdline | cut -d/ -f3").strip()
    died = float(machine.sh(f"kill -KILL {pid} && date +%s.%N"))
    return rows.become("waits", "lost") - died


def _database_away(machine: Machine, rows: Rows, number: int) -> float:
    """From when the database is back; that comes at all moments between two checks of the supervisor."""
    unit = _start(machine, "waits")
    rows.become("waits", "running")
    database_goes(machine)
    machine.sh(f"touch {STATE}/go")
    machine.poll(lambda: show(machine, unit, "ActiveState") == "inactive", MOST_SECONDS, "the job to end")
    time.sleep(CHECK * number / REPEAT)
    database_comes(machine)
    back = time.time()
    return rows.become("waits", "success") - back


RUNS: dict[str, Run] = {
    "SIGKILL": _killed("KILL"),
    "SIGSEGV": _killed("SEGV"),
    "os._exit(7)": _by_itself("leaves", "failed"),
    "os._exit(0)": _by_itself("leaves_well", "failed"),
    "timeout (TimeoutStartSec=)": _by_itself("takes_too_long", "timeout"),
    "by hand, SIGKILL: found by the supervisor": _killed_by_hand,
    "database away at the end: from its return": _database_away,
}


if __name__ == "__main__":
    main()
