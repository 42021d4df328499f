"""The machine's clock is set across a gap, a fold and a year's end: what fires is what is due, and once.

The kernel has one real time for all; each process of this machine, PID 1 among them, is told another by
tests/support/clock/clock.c.
"""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.support.in_machine import active_timers, jobs, show
from tests.support.machine import CHECKOUT, Machine, Workshop

pytestmark = pytest.mark.long

SOURCE = CHECKOUT / "tests/support/clock/clock.c"
RULES = """
from datetime import date, time
from linod_systemd.models import JobRule
JobRule.objects.all().update(cancelled=True)
made = {"procedure": "clear_seen_messages", "start_date": date(2026, 1, 1), "timezone": "Europe/Brussels"}
for name, fields in {
    "nightly": {"start_time": time(2, 30)},
    "strict": {"start_time": time(2, 30), "catch_up": False},
    "midnight": {"start_time": time(0, 0)},
    "yearly": {"every_unit": "yearly", "start_time": time(0, 0)},
    "fortnightly": {"every_unit": "weekly", "every": 2, "sunday": True, "start_time": time(2, 30)},
    "seconds": {"every_unit": "secondly", "every": 5},
}.items():
    JobRule.objects.create(name=name, **made | fields)
"""


class ClockedMachine(Machine):
    """A machine whose clock can be set."""

    def _lay_out(self) -> None:
        super()._lay_out()
        library = f"{self.root}/usr/lib/machine-clock.so"
        build = f"gcc -shared -fPIC -O2 -o {library} {shlex.quote(str(SOURCE))} -ldl -lpthread"
        self.workshop.sh(
            f"{build} && truncate -s 8 {self.root}/etc/machine-clock &&"
            f"echo /usr/lib/machine-clock.so > {self.root}/etc/ld.so.preload"
        )

    def set_clock(self, to: datetime) -> None:
        ahead = int((to - datetime.now(UTC)) / timedelta(microseconds=1)) * 1000
        self.sh(
            'python3 -c \'import os, sys; file = os.open("/etc/machine-clock", os.O_WRONLY);'
            f'os.pwrite(file, ({ahead}).to_bytes(8, "little", signed=True), 0)\''
        )

    def now(self) -> datetime:
        return datetime.fromisoformat(self.sh("date --utc +%FT%T.%6N+00:00").strip())

    def wait_for(self, instant: str) -> None:
        """Until its clock has passed an instant by some seconds, in which what is due has run."""
        end = datetime.fromisoformat(instant) + timedelta(seconds=8)
        while (rest := (end - self.now()).total_seconds()) > 0:
            time.sleep(min(rest, 2))


@pytest.fixture
def clocked(workshop: Workshop, base: Path, installed: str) -> Iterator[ClockedMachine]:
    with ClockedMachine(workshop, base, [installed]) as machine:
        machine.poll(lambda: active_timers(machine), 60, "the timers")
        machine.run("linod", "manage", "shell", "-v0", "-c", RULES)
        machine.poll(lambda: "linod-seconds" in active_timers(machine), 30, "the new timers")
        yield machine


def instants(machine: Machine, rule: str, since: str) -> list[str]:
    """The occurrences that ran from an instant on, earliest first."""
    ran = [job["scheduled_for"] or "" for job in jobs(machine, rule) if job["status"] != "skipped"]
    return sorted(slot for slot in ran if slot >= since)


def test_what_fires_is_what_is_due(clocked: ClockedMachine) -> None:
    def live_from(begin: str) -> None:
        clocked.set_clock(datetime.fromisoformat(begin))

    # The gap: 02:30 of this Sunday does not exist, and is 03:30.
    live_from("2027-03-28T01:29:50+00:00")
    clocked.wait_for("2027-03-28T01:30:00+00:00")
    for rule in ("nightly", "strict", "fortnightly"):
        assert instants(clocked, rule, "2027-03-28")[-1:] == ["2027-03-28T01:30:00+00:00"], rule
    # Backwards over it: it has run, and is not run again; so are the five seconds.
    live_from("2027-03-28T01:29:50+00:00")
    clocked.wait_for("2027-03-28T01:30:00+00:00")
    # The fold: of the two times 02:30 it is the first.
    live_from("2027-10-31T00:29:50+00:00")
    clocked.wait_for("2027-10-31T00:30:00+00:00")
    live_from("2027-10-31T01:29:50+00:00")
    clocked.wait_for("2027-10-31T01:30:00+00:00")
    for rule in ("nightly", "strict"):
        assert instants(clocked, rule, "2027-10-31") == ["2027-10-31T00:30:00+00:00"], rule
    # The year's end, of UTC and of the rule's zone.
    live_from("2027-12-31T22:59:50+00:00")
    clocked.wait_for("2027-12-31T23:00:00+00:00")
    live_from("2027-12-31T23:59:50+00:00")
    clocked.wait_for("2028-01-01T00:00:00+00:00")
    for rule in ("midnight", "yearly"):
        assert instants(clocked, rule, "2027-12-31") == ["2027-12-31T23:00:00+00:00"], rule
    # Forward over an occurrence: made up for once, where the rule does; the other has a row that says so.
    live_from("2028-01-05T00:00:00+00:00")
    live_from("2028-01-05T04:00:00+00:00")
    clocked.poll(lambda: instants(clocked, "nightly", "2028-01-05"), 30, "the nightly one to be made up for")
    made_up = next(job for job in jobs(clocked, "nightly") if job["status"] != "skipped")
    assert (made_up["trigger"], made_up["scheduled_for"]) == ("catch_up", "2028-01-05T01:30:00+00:00")
    assert instants(clocked, "strict", "2028-01-02") == []
    for rule in ("nightly", "strict", "midnight", "yearly", "fortnightly", "seconds"):
        slots = Counter(job["scheduled_for"] for job in jobs(clocked, rule) if job["scheduled_for"])
        assert set(slots.values()) <= {1}, f"{rule} twice: {slots}"
    # Every five seconds while it was watched, each once.
    watched = instants(clocked, "seconds", "2027-12-31T23:59:55")
    window = [slot for slot in watched if slot < "2028-01-01T00:00:06"]
    assert window == [
        "2027-12-31T23:59:55+00:00",
        "2028-01-01T00:00:00+00:00",
        "2028-01-01T00:00:05+00:00",
    ]


def test_a_clock_that_was_ahead_silences_no_timer(clocked: ClockedMachine) -> None:
    clocked.set_clock(datetime.fromisoformat("2098-01-05T01:29:50+00:00"))
    clocked.wait_for("2098-01-05T01:30:00+00:00")
    assert instants(clocked, "strict", "2098") == ["2098-01-05T01:30:00+00:00"]
    clocked.set_clock(datetime.fromisoformat("2027-05-01T12:00:00+00:00"))
    for rule in ("nightly", "strict", "seconds"):
        clocked.poll(partial(_is_awake, clocked, rule), 30, f"{rule} to be due when it is")
    clocked.set_clock(datetime.fromisoformat("2027-05-02T00:29:50+00:00"))
    clocked.wait_for("2027-05-02T00:30:00+00:00")
    for rule in ("nightly", "strict"):
        assert "2027-05-02T00:30:00+00:00" in instants(clocked, rule, "2027-05-02"), rule
    assert instants(clocked, "seconds", "2027-05-02T00:30:05")[0] == "2027-05-02T00:30:05+00:00"


def _is_awake(machine: Machine, rule: str) -> bool:
    following = machine.run("linod", "next", rule).stdout.strip().replace("T", " ")[:19]
    return show(machine, f"linod-{rule}.timer", "NextElapseUSecRealtime")[4:23] == following
