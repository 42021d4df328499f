"""A storm over a machine: many runs, each with a fault; and the ledger that must agree in the end."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.support.in_machine import jobs, show
from tests.support.machine import Machine

RULES = ("storm_1", "storm_2", "storm_3", "storm_4")
UNITS = [f"linod-shop-{rule}.service" for rule in RULES]
STATE = "/var/lib/linod/shop"
STARTING = "7d4958e842da4a758f6c1cdc7b36dcc5"  # MESSAGE_IDs of PID 1, systemd.journal-fields(7)
PROCESS_EXIT = "98e322203f7a4ed290d09fe03c09fe15"
FAILED_RESULT = "d9b373ed55a64feb8242e02dbe79a49c"
SUCCESS = "7ad2d189f7e94e70a38c781354912448"
ENDS = ("return", "return", "raise", "exit-0", "exit-7", "abort")


@dataclass
class Seen:
    """What the journal has of one start of a unit."""

    unit: str
    end: str = ""  # what the process itself said
    result: str = ""  # what PID 1 said, with the exit status
    status: str = ""

    def expected(self) -> set[str]:
        """The status that the last row of this start may have."""
        found = {self._by_systemd()}
        if self.end and self.result != "timeout":
            found.add(self.end)  # killed between its end and its exit
        return found

    def _by_systemd(self) -> str:
        match self.result:
            case "":
                return "lost"
            case "success":
                return self.end or "failed"
            case "timeout":
                return "timeout"
            case "exit-code":
                return "killed" if self.status == "143" else "failed"
            case _:
                return "killed"


@dataclass
class Storm:
    """200 runs or so; ``log`` tells what was done, for who has to find out why the ledger disagrees."""

    machine: Machine
    seed: int
    runs: int
    log: list[str] = field(default_factory=list)
    away: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311

    def rage(self) -> None:
        """All rounds, with two power cuts among them; then the weather clears."""
        rounds = max(3, self.runs // len(RULES))
        cuts = set(self.random.sample(range(rounds), 2))
        for number in range(rounds):
            self._round(number, power_cut=number in cuts)
        if self.away:
            self._database_comes()
        self.machine.poll(self._is_calm, 120, "every row to end and the spool to be empty")

    def await_agreement(self, seconds: float) -> list[str]:
        """Where rows, journal and timers still disagree after so many seconds at most."""
        deadline = time.monotonic() + seconds
        while found := self.differences():
            if time.monotonic() > deadline:
                return found
            time.sleep(1)
        return []

    def _round(self, number: int, *, power_cut: bool) -> None:
        for rule in RULES:
            seconds = round(self.random.uniform(0, 2), 2)
            end = self.random.choice(ENDS)
            if rule == "storm_4" and self.random.random() < 0.25:
                seconds = 60.0  # its timeout comes first
            self.machine.sh(f"echo {seconds} {end} > {STATE}/plan-{rule}")
        self.machine.sh(f"systemctl start --no-block {' '.join(UNITS)}")
        for fault in self.random.sample(list(self._faults()), 2):
            self.machine.sh(f"sleep {self.random.uniform(0, 1):.2f}")
            self.log.append(f"round {number}: {fault.__name__}")
            fault()
        if power_cut:
            self.machine.sh(f"sleep {self.random.uniform(0, 1):.2f}")
            self.log.append(f"round {number}: power cut")
            self.machine.pull_the_plug()
            self.machine.boot()
        self.machine.poll(self._are_over, 60, "the jobs of a round to end")

    def _faults(self) -> Iterator[Callable[[], None]]:
        yield from (self._kill_a_job, self._kill_a_job, self._stop_a_job, self._kill_supervisor)
        yield from (self._kill_generator, self._database_comes if self.away else self._database_goes)

    def _kill_a_job(self) -> None:
        unit, signal = self.random.choice(UNITS), self.random.choice(("KILL", "SEGV", "TERM", "INT"))
        group = f"/sys/fs/cgroup{show(self.machine, unit, 'ControlGroup') or '/nowhere'}/cgroup.procs"
        processes = self.machine.sh(f"cat {group} 2>/dev/null", check=False).split()
        # The client, the job, whatever else: one of them, or all at once.
        victims = self.random.choice([*([process] for process in processes), processes])
        self.log.append(f"  {signal} to {victims} of {processes} of {unit}")
        self.machine.sh(f"kill -{signal} {' '.join(victims)}", check=False)

    def _stop_a_job(self) -> None:
        self.machine.sh(f"systemctl stop {self.random.choice(UNITS)}")

    def _kill_supervisor(self) -> None:
        self.machine.sh("systemctl kill --signal=KILL linod-supervisor@shop", check=False)

    def _kill_generator(self) -> None:
        unit = "linod-generate@shop.service"
        wait = self.random.uniform(0, 1)
        self.machine.sh(f"systemctl start --no-block {unit}; sleep {wait:.2f}")
        self.machine.sh(f"systemctl kill --signal=KILL {unit}", check=False)

    def _database_goes(self) -> None:
        self.away = True
        self.machine.sh(f"mkdir {STATE}/away && mv {STATE}/db.sqlite3* {STATE}/away/")

    def _database_comes(self) -> None:
        self.away = False
        self.machine.sh(f"rm -f {STATE}/db.sqlite3*; mv {STATE}/away/* {STATE}/ && rmdir {STATE}/away")

    def _are_over(self) -> bool:
        states = self.machine.sh(f"systemctl is-active {' '.join(UNITS)}", check=False).split()
        return all(state in ("inactive", "failed") for state in states)

    def _is_calm(self) -> bool:
        waiting = self.machine.sh(
            f"ls {STATE}/spool /run/linod/shop/shared/spool 2>/dev/null | grep json", check=False
        )
        running = [job for job in jobs(self.machine, site="shop") if job["status"] == "running"]
        up = show(self.machine, "linod-supervisor@shop.service", "ActiveState") == "active"
        return up and self._are_over() and not waiting and not running

    # --- the ledger -------------------------------------------------------------------------

    def differences(self) -> list[str]:
        """Where rows, journal and timers disagree."""
        starts = self._starts()
        rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for rule in RULES:
            for job in jobs(self.machine, rule, "shop")[::-1]:
                if job["invocation_id"]:
                    rows[job["invocation_id"]].append(job)
        found = [f"a row of no start: {rows[unknown]}" for unknown in rows.keys() - starts.keys()]
        for invocation, seen in starts.items():
            found += _compare(invocation, seen, rows[invocation])
        return found + self._timers_without_a_next_time()

    def _starts(self) -> dict[str, Seen]:
        starts: dict[str, Seen] = {}
        listed = self.machine.sh(
            "journalctl --no-pager -o json --output-fields=MESSAGE,MESSAGE_ID,UNIT,INVOCATION_ID,UNIT_RESULT,"
            "EXIT_STATUS,_SYSTEMD_INVOCATION_ID,LINOD_JOB _PID=1 + LINOD_SITE=shop"
        )
        for line in listed.splitlines():
            entry = json.loads(line)
            _note(starts, entry)
        return starts

    def _timers_without_a_next_time(self) -> list[str]:
        listed = json.loads(
            self.machine.run("linod", "--site", "shop", "status", "--json", check=False).stdout
        )
        cancelled = {rule["name"] for rule in listed["rules"] if rule["cancelled_by"] == "failure"}
        found = []
        for rule in RULES:
            due = show(self.machine, f"linod-shop-{rule}.timer", "NextElapseUSecRealtime")
            if bool(due) == (rule in cancelled):
                found.append(f"{rule}: cancelled {rule in cancelled}, its timer's next time is {due!r}")
        return found


def _note(starts: dict[str, Seen], entry: dict[str, Any]) -> None:
    kind, unit = entry.get("MESSAGE_ID"), entry.get("UNIT", "")
    invocation = entry.get("INVOCATION_ID") or entry.get("_SYSTEMD_INVOCATION_ID", "")
    if kind == STARTING and unit in UNITS:
        starts[invocation] = Seen(unit)
    if invocation not in starts:
        return
    seen, message = starts[invocation], str(entry["MESSAGE"])
    if kind == PROCESS_EXIT:
        seen.status = entry.get("EXIT_STATUS", "")
    elif kind == FAILED_RESULT:
        seen.result = entry["UNIT_RESULT"]
    elif kind == SUCCESS:
        seen.result = "success"
    elif "LINOD_JOB" in entry and f" {entry['LINOD_JOB']} ended: " in message.replace("#", ""):
        # A job that empties the spool tells of the ends of others, too.
        seen.end = message.partition(" ended: ")[2].split()[0]


def _compare(invocation: str, seen: Seen, rows: list[dict[str, Any]]) -> list[str]:
    what = f"{seen.unit} {invocation} ({seen.result or 'no end'} {seen.status}, said {seen.end!r})"
    attempts = [row["attempt"] for row in rows]
    if not rows:
        return [f"{what}: no row"]
    if len(set(attempts)) < len(rows) or (len(rows) > 1 and "storm_3" not in seen.unit):
        return [f"{what}: the rows of attempts {attempts}"]
    if rows[-1]["status"] not in seen.expected():
        told = [(row["id"], row["attempt"], row["status"], row["reason"]) for row in rows]
        return [f"{what}: {told} instead of {seen.expected()}"]
    if any(row["status"] == "running" or row["end_datetime"] is None for row in rows):
        return [f"{what}: a row that runs"]
    return []
