"""How late jobs start when many are due together: ``sudo .venv/bin/python -m tests.bench.parts.punctuality``.

Lateness is Job.start_datetime − scheduled_for. What matters is the ratios within one run.
"""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta

from tests.bench.table import print_table, progress
from tests.support.in_machine import add_shop, add_shops_code, jobs
from tests.support.machine import SOURCE, Machine, Workshop

RULES = 200
SECONDS = 10  # within which they are due
ROUNDS = 5
LEAD = 40  # seconds for their timers to be there
BESIDE = {
    "": "alone",
    "sleeps": "beside a job that takes more than a minute",
    "is_busy_for_a_minute": "beside one that burns a core for a minute",
}
PREFIX = "punctual"

MAKE = f"""
from datetime import datetime, timedelta, UTC
from linod_systemd.models import JobRule
begin = datetime.fromisoformat("{{begin}}")
JobRule.objects.filter(name__startswith="{PREFIX}").delete()
JobRule.objects.bulk_create(
    JobRule(
        name=f"{PREFIX}{{{{number}}}}", procedure="does_nothing", timezone="UTC",
        start_date=begin.date(), start_time=(begin + timedelta(seconds=number % {SECONDS})).time(),
    )
    for number in range({RULES})
)
"""


def main() -> None:
    with Workshop() as workshop, Machine(workshop) as machine:
        machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)
        add_shops_code(machine)
        add_shop(machine)
        for rule in ("ticks", "send_pending_emails_often", "event_notification_scheduler"):
            machine.sh(f"linod --site shop cancel {rule}")
        machine.sh("linod --site default cancel send_pending_emails_often")
        found: dict[str, list[list[float]]] = {beside: [] for beside in BESIDE}
        for number in range(ROUNDS):  # by turns, each time from another one on, as the machine changes
            for beside in (*list(BESIDE)[number % 3 :], *list(BESIDE)[: number % 3]):
                progress(f"round {number + 1} of {ROUNDS}, {BESIDE[beside]}")
                found[beside].append(_lateness(machine, beside))
                if beside:
                    machine.sh(f"systemctl stop linod-shop-{beside}.service")
    _print(found)


def _print(found: dict[str, list[list[float]]]) -> None:
    table = []
    for beside, rounds in found.items():
        late = [one for found_in_it in rounds for one in found_in_it]
        pairs = zip(rounds, found[""], strict=True)
        ratios = [statistics.median(one) / statistics.median(alone) for one, alone in pairs]
        table.append(
            (
                BESIDE[beside],
                f"{statistics.median(late):.2f}",
                f"{statistics.quantiles(late, n=100)[98]:.2f}",
                f"{statistics.median(ratios):.2f} ×",
                ", ".join(f"{statistics.median(one):.2f}" for one in rounds),
            )
        )
    title = f"Lateness of {RULES} jobs due within {SECONDS} s, 2 cores"
    columns = ("", "median s", "p99 s", "median ratio to alone", "median of each round")
    print_table(title, columns, table)


def _lateness(machine: Machine, beside: str = "") -> list[float]:
    """Seconds by which each of the jobs began late.

    :param beside: a rule that is started before them.
    """
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=LEAD)
    script = MAKE.format(begin=begin.isoformat())
    machine.run("linod", "--site", "shop", "manage", "shell", "-c", script, timeout=580)
    machine.poll(lambda: len(_timers(machine)) == RULES, LEAD - 6, "the timers")
    if beside:
        time.sleep(max(0.0, (begin - datetime.now(UTC)).total_seconds() - 5))
        machine.sh(f"systemctl start --no-block linod-shop-{beside}.service")
    # Asking costs as much as a job.
    time.sleep(max(0.0, (begin - datetime.now(UTC)).total_seconds() + SECONDS + 8))
    found = machine.poll(lambda: _ended(machine, begin), 300, "the jobs to end")
    return [
        (_instant(job["start_datetime"]) - _instant(job["scheduled_for"])).total_seconds() for job in found
    ]


def _timers(machine: Machine) -> list[str]:
    command = f"systemctl list-units --plain --no-legend --state=active 'linod-shop-{PREFIX}*.timer'"
    return machine.sh(command).splitlines()


def _ended(machine: Machine, begin: datetime) -> list[dict[str, object]]:
    found = [
        job
        for job in jobs(machine, site="shop")
        if str(job["rule"]).startswith(PREFIX)
        and job["status"] == "success"
        and _instant(job["start_datetime"]) >= begin
    ]
    time.sleep(2)
    return found if len(found) == RULES else []


def _instant(value: object) -> datetime:
    return datetime.fromisoformat(str(value))


if __name__ == "__main__":
    main()
