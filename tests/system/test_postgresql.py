"""A site whose rows are in PostgreSQL: what is promised holds there, too, also while its server is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.in_machine import (
    STATE,
    add_shop,
    await_supervisor,
    ended_job,
    ensure_package,
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


BY_TCP = """
from shop.postgresql import *
DATABASES["default"] |= {{"HOST": "127.0.0.1", "PORT": "{port}", "OPTIONS": {{"sslmode": "{tls}"}}}}
"""


def connect_by_tcp(machine: Machine, port: int, tls: str) -> None:
    """Let the site reach its server by a port, of what stands in between."""
    machine.sh(
        "sed -i '1ihost all all 127.0.0.1/32 trust' /etc/postgresql/*/main/pg_hba.conf;"
        "systemctl reload postgresql"
    )
    machine.write("/srv/shop/shop/further.py", BY_TCP.format(port=port, tls=tls))
    machine.sh(
        "sed -i s/shop.postgresql/shop.further/ /etc/linod/shop.toml;"
        "linod-generate-units && systemctl daemon-reload && systemctl restart linod-supervisor@shop"
    )
    await_supervisor(machine, "shop")


POOLER = """
[databases]
shop = host=127.0.0.1 port=5432
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 6432
unix_socket_dir =
auth_type = trust
auth_file = /etc/pgbouncer/userlist.txt
pool_mode = transaction
default_pool_size = 2
ignore_startup_parameters = extra_float_digits
logfile = /var/log/postgresql/pgbouncer.log
pidfile = /run/postgresql/pgbouncer.pid
"""
ENDED = 2500
FILL = """
INSERT INTO linod_systemd_job (rule_name, uuid, start_datetime, end_datetime, status, reason, message,
    trigger, scheduled_for, attempt, invocation_id, host, boot_id, warm, told)
SELECT 'gone', gen_random_uuid(), timestamptz '2020-01-01' + n / 3 * interval '1 minute',
    timestamptz '2020-01-02' + n * interval '1 minute', 'success', '', 'a line', 'timer', 1577836800 + n,
    1, '', 'h', '', false, ''
FROM generate_series(1, 2500) AS n
"""


def test_behind_a_pooler(shop: Machine) -> None:
    """PgBouncer gives each transaction a session of the server that another one had before."""
    ensure_package(shop, "pgbouncer")
    shop.write("/etc/pgbouncer/pgbouncer.ini", POOLER)
    shop.write("/etc/pgbouncer/userlist.txt", '"shop" ""\n')
    shop.sh("systemctl restart pgbouncer")
    connect_by_tcp(shop, 6432, "disable")
    psql(shop, FILL)
    ended_job(shop, "ticks")
    test_jobs_that_start_and_end_at_once(shop)
    exported = shop.run("linod", "--site", "shop", "jobs", "--export", "gone").stdout.splitlines()
    keys = [(job["start_datetime"], job["id"]) for job in map(json.loads, exported)]
    assert len(keys) == len(set(keys)) == ENDED
    assert keys == sorted(keys)
    assert show(shop, "linod-supervisor@shop.service", "NRestarts") == "0"
    shop.sh("sed -i 's/= transaction/= statement/' /etc/pgbouncer/pgbouncer.ini; systemctl restart pgbouncer")
    refused = shop.run("linod", "--site", "shop", "setup", check=False)
    assert refused.returncode == 1
    assert "statement mode" in refused.stderr and "pool_mode = transaction" in refused.stderr


CUTTER = """
import asyncio, contextlib, signal, socket, struct

clients = set()


async def pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def serve(reader, writer):
    clients.add(writer)
    from_server, to_server = await asyncio.open_connection("127.0.0.1", 5432)
    await asyncio.gather(pump(reader, to_server), pump(from_server, writer))
    clients.discard(writer)


def cut(resets):
    for writer in list(clients):
        if resets:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()


async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, cut, True)
    loop.add_signal_handler(signal.SIGUSR2, cut, False)
    async with await asyncio.start_server(serve, "127.0.0.1", 6433) as server:
        await server.serve_forever()


asyncio.run(main())
"""


OWN_CERTIFICATE = """
set -e
cd /var/lib/postgresql/*/main
openssl req -new -x509 -days 9 -nodes -subj /CN=db -out server.crt -keyout server.key 2>/dev/null
chown postgres: server.crt server.key && chmod 600 server.key
runuser -u postgres -- psql -qc 'ALTER SYSTEM SET ssl = on'
systemctl restart postgresql
"""


def test_a_tls_stream_that_is_cut_is_nobodys_fault(shop: Machine) -> None:
    """By a reset, and by an end without a word, as a firewall that forgets a connection does it."""
    shop.sh(OWN_CERTIFICATE)
    shop.poll(lambda: _listens(shop), 30, "the server to listen")
    shop.write("/root/cutter.py", CUTTER)
    shop.sh("systemd-run -q --unit=cutter /usr/bin/python3 /root/cutter.py")
    shop.poll(lambda: ":6433" in shop.sh("ss -Hltn"), 30, "the cutter to listen")
    connect_by_tcp(shop, 6433, "require")
    for number, signal in enumerate(("USR1", "USR2"), 1):
        start(shop, "asks_on_and_on")
        become(shop, "asks_on_and_on", "running")
        encrypted = "SELECT count(*) FROM pg_stat_ssl WHERE ssl"
        assert int(shop.run("runuser", "-u", "postgres", "--", "psql", "-Atc", encrypted).stdout) >= 1
        shop.sh(f"systemctl kill --signal={signal} cutter")
        failed = become(shop, "asks_on_and_on", "failed")
        assert failed["reason"].startswith("the database is away: "), failed
        assert len(jobs(shop, "asks_on_and_on", "shop")) == number
    assert not rules(shop, "shop")["asks_on_and_on"]["cancelled"]
