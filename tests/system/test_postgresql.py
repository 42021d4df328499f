"""A site whose rows are in PostgreSQL: what is promised holds there, too, also while its server is away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.in_machine import (
    STATE,
    add_shop,
    await_supervisor,
    ended_job,
    failed_units,
    jobs,
    rules,
    show,
    stop_timers,
)
from tests.support.machine import Machine, Workshop
from tests.support.postgresql import SERVER, install_postgresql
from tests.system.test_jobs import start
from tests.system.test_lost_nothing import be_due_daily, become, begin, waiting_records

pytestmark = pytest.mark.long

# Two that are begun with the server, and those that are started without.
LATE = ("asks_the_database", "waits", "warns", "goes_second", "does_nothing", "fails")
JOBS = 8
MANY = f"""
from linod_systemd.models import JobRule
for number in range({JOBS}):
    JobRule.objects.create(name=f"many{{number}}", procedure="does_nothing", every_unit="never")
"""


@pytest.fixture(scope="session")
def served(workshop: Workshop, base: Path, installed: str) -> str:
    """A layer with a PostgreSQL of its own, and the site ``shop`` in it."""
    with Machine(workshop, base, [installed], wanted=[SERVER]) as machine:
        install_postgresql(machine, "shop", "/opt/linod/bin/python")
        add_shop(machine, "shop.postgresql")
        return machine.snapshot()


@pytest.fixture
def shop(workshop: Workshop, base: Path, installed: str, served: str) -> Iterator[Machine]:
    with Machine(workshop, base, [installed, served], wanted=[SERVER]) as machine:
        await_supervisor(machine, "shop")
        yield machine


def server_goes(machine: Machine) -> None:
    machine.sh("systemctl stop postgresql")
    machine.poll(lambda: not _listens(machine), 30, "the server to end")


def server_comes(machine: Machine) -> None:
    machine.sh("systemctl start postgresql")
    machine.poll(lambda: _listens(machine), 30, "the server to listen")


def _listens(machine: Machine) -> bool:
    return machine.run("pg_isready", "-q", check=False).returncode == 0


def test_timers_and_bad_ends(shop: Machine) -> None:
    tick = ended_job(shop, "ticks")
    assert (tick["trigger"], tick["status"], tick["message"]) == ("timer", "success", "tick")
    start(shop, "fails")
    assert become(shop, "fails", "failed")["reason"] == "ValueError: no such shelf"
    shop.poll(lambda: rules(shop, "shop")["fails"]["cancelled_by"] == "failure", 10, "the cancellation")
    shop.sh(f"kill -KILL {begin(shop, 'waits')}")
    killed = become(shop, "waits", "killed")
    assert (killed["reason"], "waiting" in killed["message"]) == ("killed by SIGKILL", True)
    assert len(jobs(shop, "waits", "shop")) == 1


def test_jobs_that_start_and_end_at_once(shop: Machine) -> None:
    shop.run("linod", "--site", "shop", "manage", "shell", "-v0", "-c", MANY)
    units = " ".join(f"linod-shop-many{number}.service" for number in range(JOBS))
    shop.poll(lambda: "not-found" not in shop.sh(f"systemctl show -p LoadState {units}"), 30, "the units")
    for turn in range(1, 4):
        shop.sh(f"systemctl start {units}")
        rows = [row for row in jobs(shop, site="shop") if row["rule"].startswith("many")]
        assert [row["status"] for row in rows] == ["success"] * JOBS * turn
        assert len({row["invocation_id"] for row in rows}) == JOBS * turn
    assert failed_units(shop) == []


def test_what_postgresql_takes_in_no_text_leaves_no_row_without_its_end(shop: Machine) -> None:
    start(shop, "fails_with_a_nul")
    assert become(shop, "fails_with_a_nul", "failed")["reason"] == "ValueError: a\\x00b"
    start(shop, "dies_after_a_nul")
    assert "a\\x00b" in become(shop, "dies_after_a_nul", "killed")["message"]


def test_server_that_goes_in_the_middle_of_jobs(shop: Machine) -> None:
    """What ends or runs without it waits, and is written once, in order, when it is back."""
    begin(shop, "asks_the_database")
    begin(shop, "waits")
    server_goes(shop)
    shop.poll(lambda: waiting_records(shop), 60, "the end of the one that asks it")
    shop.sh(f"touch {STATE}/go")
    unit = "linod-shop-waits.service"
    shop.poll(lambda: show(shop, unit, "ActiveState") == "inactive", 60, "the one that waits to end")
    for rule in LATE[2:]:
        shop.sh(f"systemctl start linod-shop-{rule}.service", check=False)
    assert len(waiting_records(shop)) >= len(LATE)
    server_comes(shop)
    shop.poll(lambda: waiting_records(shop) == [], 60, "the supervisor's check to write them")
    failed = become(shop, "asks_the_database", "failed")
    assert failed["reason"].startswith("the database is away: ")
    assert not rules(shop, "shop")["asks_the_database"]["cancelled"]
    assert become(shop, "waits", "success")["message"] == "waiting"
    late = [job for job in jobs(shop, site="shop")[::-1] if job["rule"] in LATE]
    assert [job["rule"] for job in sorted(late, key=lambda job: int(job["id"]))] == list(LATE)
    assert [job["status"] for job in late] == ["failed", *["success"] * 4, "failed"]
    assert rules(shop, "shop")["fails"]["cancelled_by"] == "failure"


def test_server_that_is_started_anew(shop: Machine) -> None:
    """A job outlives its connection, and so does the supervisor."""
    unit = "linod-supervisor@shop.service"
    serving = show(shop, unit, "MainPID")
    stop_timers(shop, "shop")  # a job that asks it just then would fail, and rightly
    begin(shop, "waits")
    shop.sh("setsid --fork linod-run --site shop --here sleeps >/dev/null 2>&1")
    become(shop, "sleeps", "running")
    shop.sh("systemctl restart postgresql")
    shop.poll(lambda: _listens(shop), 30, "the server to listen")
    shop.sh(f"touch {STATE}/go")
    assert become(shop, "waits", "success")["message"] == "waiting"
    shop.sh("kill -KILL $(grep -lzx linod_systemd[.]run /proc/[0-9]*/cmdline | cut -d/ -f3)")
    assert become(shop, "sleeps", "lost")["reason"] == "its process is gone"
    assert show(shop, unit, "MainPID") == serving
    assert failed_units(shop) == []


def psql(machine: Machine, text: str, database: str = "shop") -> None:
    machine.run(
        "runuser", "-u", "postgres", "--", "psql", "-q", "-v", "ON_ERROR_STOP=1", database, "-c", text
    )


def test_a_server_that_only_reads_is_nobodys_fault(shop: Machine) -> None:
    """As after a failover: SELECT is answered, each write is refused (25006)."""
    stop_timers(shop, "shop")
    only_reads = "ALTER DATABASE shop SET default_transaction_read_only = "
    end_all = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'shop' AND usename = 'shop'"
    )
    psql(shop, f"{only_reads}on; {end_all}", "postgres")
    for rule in ("writes_a_row", "counts_rules"):
        shop.sh(f"systemctl start linod-shop-{rule}.service", check=False)
    assert waiting_records(shop)
    psql(shop, f"{only_reads}off; {end_all}", "postgres")
    shop.poll(lambda: waiting_records(shop) == [], 60, "the supervisor's check to write them")
    failed = become(shop, "writes_a_row", "failed")
    assert failed["reason"].startswith("the database is away: ") and "read-only" in failed["reason"]
    assert not rules(shop, "shop")["writes_a_row"]["cancelled"]
    assert become(shop, "counts_rules", "success")["message"].endswith("rules")


def test_a_column_that_is_newer_than_the_code_loses_no_run(shop: Machine) -> None:
    stop_timers(shop, "shop")
    psql(shop, "ALTER TABLE linod_systemd_job ADD COLUMN newer text NOT NULL DEFAULT ''")
    psql(shop, "ALTER TABLE linod_systemd_job ALTER COLUMN newer DROP DEFAULT")
    shop.sh("systemctl start linod-shop-does_nothing.service")
    assert "refuses a row" in shop.sh("journalctl --no-pager -o cat -u linod-shop-does_nothing.service")
    assert len(waiting_records(shop)) == 1
    psql(shop, "ALTER TABLE linod_systemd_job DROP COLUMN newer")
    assert become(shop, "does_nothing", "success")["status"] == "success"


ROUTED = """
DATABASES["jobs"] = {**DATABASES["default"], "NAME": "shop_jobs"}
DATABASE_ROUTERS = ["shop.further.Router"]


class Router:
    def db_for_write(self, model, **hints):
        return "jobs" if model._meta.app_label == "linod_systemd" else None

    db_for_read = db_for_write

    def allow_migrate(self, db, app_label, **hints):
        return (db == "jobs") == (app_label == "linod_systemd")
"""


def test_jobs_in_a_database_of_their_own(shop: Machine) -> None:
    shop.sh("runuser -u postgres -- createdb --owner shop shop_jobs")
    settings = f"from shop.postgresql import *\n{ROUTED}"
    shop.write("/srv/shop/shop/further.py", settings)
    shop.sh("sed -i s/shop.postgresql/shop.further/ /etc/linod/shop.toml")
    shop.run("linod", "--site", "shop", "manage", "migrate", "-v0", "--database", "jobs")
    shop.run("linod", "--site", "shop", "setup")
    shop.sh("linod-generate-units && systemctl daemon-reload && systemctl restart linod-supervisor@shop")
    await_supervisor(shop, "shop")
    be_due_daily(shop, "does_nothing", -7200)
    for words in ("cancel", "enable"):
        shop.run("linod", "--site", "shop", words, "does_nothing")
    shop.run("systemctl", "start", "linod-shop-does_nothing.service")
    assert become(shop, "does_nothing", "success")["warm"]
    shop.run("systemctl", "restart", "linod-supervisor@shop.service")
    assert show(shop, "linod-supervisor@shop.service", "NRestarts") == "0"
    exported = shop.run("linod", "--site", "shop", "jobs", "--export").stdout.splitlines()
    assert len(exported) == len(jobs(shop, site="shop"))
