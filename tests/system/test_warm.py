"""Jobs that the supervisor forks: they live in their own unit, end as they end, and are never run twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.in_machine import STATE, add_shop, ended_job, failed_units, jobs, show
from tests.support.machine import Machine
from tests.system.test_lost_nothing import become, latest

pytestmark = pytest.mark.long

SUPERVISOR = "linod-supervisor@shop.service"
SOCKET = "/run/linod/shop/shared/supervisor.socket"
GROUP = "/sys/fs/cgroup/linod.slice/linod-shop.slice"


def unit_of(rule: str) -> str:
    return f"linod-shop-{rule}.service"


def run(machine: Machine, rule: str) -> dict[str, Any]:
    """Start a rule's unit and wait for its end; its latest job."""
    machine.sh(f"systemctl start {unit_of(rule)}", check=False)
    return ended_job(machine, rule)


def begin(machine: Machine, rule: str) -> tuple[str, str]:
    """Start a rule's unit; the process ids of its client and of its job."""
    machine.sh(f"systemctl start --no-block {unit_of(rule)}")
    job = become(machine, rule, "running")
    assert job["warm"], job
    client = show(machine, unit_of(rule), "MainPID")
    [forked] = set(machine.sh(f"cat {GROUP}/{unit_of(rule)}/cgroup.procs").split()) - {client}
    return client, forked


def logged(machine: Machine, rule: str, word: str) -> str:
    """What the latest job of a rule has logged after this word."""
    lines = str(latest(machine, rule)["message"]).splitlines()
    return next(line.removeprefix(f"{word} ") for line in lines if line.startswith(word))


def set_up(machine: Machine, unit: str, text: str) -> None:
    """Give a unit a drop-in."""
    machine.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
    machine.sh("systemctl daemon-reload")


def without_supervisor(machine: Machine) -> None:
    set_up(machine, SUPERVISOR, "[Unit]\nConditionPathExists=/nowhere\n")
    machine.sh(f"systemctl stop {SUPERVISOR}")


def test_warm_job_is_what_a_cold_one_is(shop: Machine) -> None:
    set_up(
        shop,
        unit_of("tells_its_likeness"),
        "[Service]\nEnvironment=COLOUR=grün\nNice=5\nIOSchedulingClass=idle\nLimitNOFILE=300:400\n"
        "LimitFSIZE=50M\nUMask=0077\nOOMScoreAdjust=300\nCPUAffinity=0\nWorkingDirectory=/srv\n"
        "Environment=PYTHONPATH=/srv/shop\n",
    )
    warm = run(shop, "tells_its_likeness")
    told = json.loads(logged(shop, "tells_its_likeness", "likeness"))
    without_supervisor(shop)
    cold = run(shop, "tells_its_likeness")
    assert (warm["status"], warm["warm"], cold["status"], cold["warm"]) == ("success", True, "success", False)
    assert told == json.loads(logged(shop, "tells_its_likeness", "likeness"))
    assert told["INVOCATION_ID"]
    expected = {"COLOUR": "grün", "nice": 5, "ionice": 3, "files": [300, 400], "umask": 0o77, "oom": "300"}
    assert {name: told[name] for name in expected} == expected
    assert (told["processors"], told["group"], told["threads"]) == ([0], unit_of("tells_its_likeness"), 1)
    for job in (warm, cold):
        journal = shop.sh(f"journalctl --no-pager -o cat _SYSTEMD_INVOCATION_ID={job['invocation_id']}")
        assert "printed" in journal and "likeness" in journal


def test_cpu_and_memory_are_those_of_the_units_group(shop: Machine) -> None:
    begin(shop, "burns_a_second")
    counted = shop.poll(
        lambda: int(show(shop, unit_of("burns_a_second"), "CPUUsageNSec").replace("[not set]", "0")) > 3e8,
        20,
        "its CPU time to be counted by the unit",
    )
    assert counted
    job = ended_job(shop, "burns_a_second")
    assert job["cpu_seconds"] >= 1
    assert job["memory_peak"] is None or job["memory_peak"] > 32 * 2**20
    table = shop.run("linod", "--site", "shop", "jobs", "burns_a_second", "-v").stdout
    assert "warm" in table and f"{job['cpu_seconds']:.3f} s" in table
    assert "a job adds some" in shop.run("linod", "--site", "shop", "status", "-v").stdout


def test_limits_of_the_unit_hold(shop: Machine) -> None:
    set_up(shop, unit_of("tells_its_likeness"), "[Service]\nTasksMax=2\n")
    assert run(shop, "tells_its_likeness")["status"] == "success"  # client and job
    set_up(shop, unit_of("forgets_its_threads"), "[Service]\nTasksMax=2\n")
    if "pids" not in shop.read("/sys/fs/cgroup/cgroup.controllers"):
        pytest.skip("this kernel gives the machine no pids controller")
    assert "can't start new thread" in run(shop, "forgets_its_threads")["reason"]


def test_threads_are_waited_for_and_temporary_files_go(shop: Machine) -> None:
    assert run(shop, "forgets_its_threads")["warm"]
    shop.sh(f"test -e {STATE}/threads-end")
    assert run(shop, "leaves_a_file_in_tmp")["warm"]
    left = logged(shop, "leaves_a_file_in_tmp", "tmp")
    supervisor = show(shop, SUPERVISOR, "MainPID")
    shop.poll(lambda: not shop.sh(f"ls /proc/{supervisor}/root{left}", check=False), 10, "the file to go")


@pytest.mark.parametrize("signal", ["KILL", "SEGV", "TERM"])
def test_killed_job(shop: Machine, signal: str) -> None:
    _, job = begin(shop, "waits")
    shop.sh(f"kill -{signal} {job}")
    ended = become(shop, "waits", "killed")
    assert signal in ended["reason"] and "waiting" in ended["message"]
    assert len(jobs(shop, "waits", "shop")) == 1
    expected = {"KILL": "signal", "SEGV": "core-dump", "TERM": "exit-code"}
    assert show(shop, unit_of("waits"), "Result") in (expected[signal], "signal")


def test_killed_client_takes_its_job_along(shop: Machine) -> None:
    client, job = begin(shop, "waits")
    shop.sh(f"kill -KILL {client}")
    become(shop, "waits", "killed")
    shop.poll(lambda: not shop.sh(f"ls -d /proc/{job}", check=False), 10, "the job to end")
    assert show(shop, unit_of("waits"), "Result") == "signal"
    assert len(jobs(shop, "waits", "shop")) == 1


def test_killed_supervisor_ends_no_job(shop: Machine) -> None:
    _, job = begin(shop, "waits")
    shop.sh(f"systemctl kill --signal=KILL {SUPERVISOR}")
    assert show(shop, unit_of("waits"), "ActiveState") == "activating"
    shop.sh(f"ls -d /proc/{job}; touch {STATE}/go")
    ended = ended_job(shop, "waits")
    assert (ended["status"], len(jobs(shop, "waits", "shop"))) == ("success", 1)
    shop.poll(lambda: show(shop, unit_of("waits"), "ActiveState") == "inactive", 10, "its unit to end")
    assert failed_units(shop) == []


def test_all_three_killed_at_once(shop: Machine) -> None:
    client, job = begin(shop, "waits")
    supervisor = show(shop, SUPERVISOR, "MainPID")
    shop.sh(f"kill -KILL {supervisor} {client} {job}")
    ended = become(shop, "waits", "killed")
    assert ended["reason"] == "killed by SIGKILL"
    assert "waiting" in ended["message"]
    shop.sh(f"touch {STATE}/go")
    assert shop.run("linod-run", "--site", "shop", "waits").returncode == 0
    assert len(jobs(shop, "waits", "shop")) == 2


def test_job_and_supervisor_killed(shop: Machine) -> None:
    _, job = begin(shop, "waits")
    shop.sh(f"kill -KILL {show(shop, SUPERVISOR, 'MainPID')} {job}")
    assert become(shop, "waits", "killed")["reason"] == "killed by SIGKILL"


def test_end_in_a_c_library_is_the_clients_end(shop: Machine) -> None:
    job = run(shop, "leaves")
    assert (job["status"], job["exit_code"]) == ("failed", 7)
    assert show(shop, unit_of("leaves"), "ExecMainStatus") == "7"


def test_hanging_supervisor_is_not_waited_for(shop: Machine) -> None:
    shop.sh(f"kill -STOP {show(shop, SUPERVISOR, 'MainPID')}")
    job = run(shop, "does_nothing")
    assert (job["status"], job["warm"]) == ("success", False)
    shop.sh(f"kill -CONT {show(shop, SUPERVISOR, 'MainPID')}")
    shop.sh("sleep 1")
    assert len(jobs(shop, "does_nothing", "shop")) == 1  # nor run by who comes to it later
    assert run(shop, "does_nothing")["warm"]


def test_refused_attach(shop: Machine) -> None:
    set_up(shop, unit_of("does_nothing"), "[Service]\nDelegate=no\n")
    job = run(shop, "does_nothing")
    assert (job["status"], job["warm"]) == ("success", False)
    assert "runs cold: systemd does not answer over the bus" in shop.sh(
        f"journalctl --no-pager -o cat -u {unit_of('does_nothing')}"
    )


def test_sandbox_of_its_own_is_kept(shop: Machine) -> None:
    shop.write("/etc/shop.key", "secret")
    set_up(
        shop, unit_of("does_nothing"), "[Service]\nReadWritePaths=/srv\nLoadCredential=key:/etc/shop.key\n"
    )
    job = run(shop, "does_nothing")
    assert (job["status"], job["warm"]) == ("success", False)
    said = shop.sh(f"journalctl --no-pager -o cat -u {unit_of('does_nothing')}")
    assert "its unit says otherwise than the supervisor's: LoadCredential, ReadWritePaths" in said
    set_up(shop, SUPERVISOR, "[Service]\nPrivateNetwork=yes\n")
    shop.sh(f"systemctl restart {SUPERVISOR}")
    assert not run(shop, "warns")["warm"]


def test_a_directive_that_a_later_systemd_brought_is_not_ignored(shop: Machine) -> None:
    """No list of ours names PrivatePIDs=, which 252 does not know and leaves out."""
    set_up(shop, unit_of("does_nothing"), "[Service]\nPrivatePIDs=yes\n")
    is_known = int(shop.sh("systemctl --version").split()[1]) >= 257
    job = run(shop, "does_nothing")
    assert (job["status"], job["warm"]) == ("success", not is_known)
    said = shop.sh(f"journalctl --no-pager -o cat -u {unit_of('does_nothing')}")
    assert ("says otherwise than the supervisor's: PrivatePIDs" in said) is is_known


def test_what_cannot_be_taken_on(shop: Machine) -> None:
    set_up(shop, unit_of("does_nothing"), "[Service]\nNice=-5\n")
    job = run(shop, "does_nothing")
    assert (job["status"], job["warm"]) == ("success", False)
    assert "cannot be taken on" in shop.sh(f"journalctl --no-pager -o cat -u {unit_of('does_nothing')}")


def _hold_at_the_bus(machine: Machine) -> str:
    """Ask for a job, whose fork then waits for a bus that does not answer; its process id."""
    supervisor = show(machine, SUPERVISOR, "MainPID")
    machine.sh("systemctl kill --signal=STOP dbus.service")
    machine.sh(f"systemctl start --no-block {unit_of('does_nothing')}")
    children = f"cat /proc/{supervisor}/task/{supervisor}/children"
    return machine.poll(lambda: machine.sh(children).strip(), 20, "the fork")


def test_job_killed_before_the_commitment_is_run_cold_once(shop: Machine) -> None:
    forked = _hold_at_the_bus(shop)
    shop.sh(f"kill -KILL {forked}; systemctl kill --signal=CONT dbus.service")
    job = ended_job(shop, "does_nothing")
    assert (job["status"], job["warm"], len(jobs(shop, "does_nothing", "shop"))) == ("success", False, 1)


def test_client_killed_before_the_commitment_leaves_no_job_behind(shop: Machine) -> None:
    _hold_at_the_bus(shop)
    shop.sh(f"systemctl kill --signal=KILL {unit_of('does_nothing')}")
    shop.sh("systemctl kill --signal=CONT dbus.service")
    job = ended_job(shop, "does_nothing")
    assert (job["status"], job["reason"]) == ("killed", "it did not begin: killed by SIGKILL")
    shop.sh("sleep 1")
    assert len(jobs(shop, "does_nothing", "shop")) == 1
    assert run(shop, "does_nothing")["warm"]


def test_many_at_once_run_once_each(shop: Machine) -> None:
    rules = ["does_nothing", "warns", "tells_its_version", "leaves_a_file_in_tmp", "goes_first", "may_fail"]
    for _ in range(5):
        shop.sh(f"systemctl start {' '.join(unit_of(rule) for rule in rules)}", check=False)
    found = [jobs(shop, rule, "shop") for rule in rules]
    assert [len(rows) for rows in found] == [5] * len(rules)
    assert all(row["warm"] and row["status"] != "running" for rows in found for row in rows)


def test_reload_lets_old_jobs_end_and_loads_the_new_code(shop: Machine) -> None:
    before = show(shop, SUPERVISOR, "MainPID")
    begin(shop, "waits_and_tells_its_version")
    shop.sh(f"sed -i 's/^VERSION = 1/VERSION = 2/' /srv/shop/shop/likeness.py; systemctl reload {SUPERVISOR}")
    shop.poll(lambda: show(shop, SUPERVISOR, "MainPID") != before, 60, "the new process")
    assert run(shop, "tells_its_version")["warm"]
    assert logged(shop, "tells_its_version", "version") == "2"
    shop.sh(f"ls -d /proc/{before}; touch {STATE}/go")
    assert ended_job(shop, "waits_and_tells_its_version")["status"] == "success"
    assert logged(shop, "waits_and_tells_its_version", "version") == "1"
    shop.poll(lambda: not shop.sh(f"ls -d /proc/{before}", check=False), 20, "the old process to end")
    assert show(shop, SUPERVISOR, "ActiveState") == "active"
    assert show(shop, SUPERVISOR, "NRestarts") == "0"
    assert run(shop, "does_nothing")["warm"]


def test_site_that_does_not_load_on_reload_leaves_the_old_one_serving(shop: Machine) -> None:
    before = show(shop, SUPERVISOR, "MainPID")
    shop.sh(f"echo 'import no_such_module' >> /srv/shop/shop/procedures.py; systemctl reload {SUPERVISOR}")
    said = "reload failed, the old code serves on"
    shop.poll(lambda: said in show(shop, SUPERVISOR, "StatusText"), 60, "the status to say so")
    assert "no_such_module" in shop.sh(f"journalctl -u {SUPERVISOR} -o cat")
    assert said in shop.sh(f"journalctl --no-pager -o cat -u {SUPERVISOR}")
    assert show(shop, SUPERVISOR, "MainPID") == before
    shop.sh(f"systemctl start {unit_of('does_nothing')}")
    shop.sh("sed -i '/no_such_module/d' /srv/shop/shop/procedures.py")
    assert latest(shop, "does_nothing")["warm"]
    shop.sh(f"systemctl reload {SUPERVISOR}")
    shop.poll(lambda: said not in show(shop, SUPERVISOR, "StatusText"), 60, "the status to be good again")


def test_site_with_threads_runs_cold_and_says_so(shop: Machine) -> None:
    shop.sh(
        "printf 'import threading, time\\nthreading.Thread(target=time.sleep, args=(9e6,), daemon=True)"
        ".start()\\n' >> /srv/shop/shop/procedures.py"
    )
    shop.sh(f"systemctl restart {SUPERVISOR}")
    assert "starts 1 threads when it is loaded" in show(shop, SUPERVISOR, "StatusText")
    job = run(shop, "does_nothing")
    assert (job["status"], job["warm"]) == ("success", False)


def test_supervisor_of_another_version(shop: Machine) -> None:
    ask = (
        "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
        f"s.connect({SOCKET!r}); s.send(b'linod-job 0\\0does_nothing'); print([s.recv(99) for _ in '12'])"
    )
    said = shop.run("python3", "-c", ask, user="shop").stdout
    assert said == "[b'wait', b'no the supervisor runs another version: systemctl reload it']\n"
    assert run(shop, "does_nothing")["warm"]


def test_full_queue(shop: Machine) -> None:
    """400 clients that ask for nothing hold it until they are given up, five seconds each few."""
    shop.write(
        "/srv/crowd.py",
        "import socket, time\nheld = [socket.socket(1, socket.SOCK_SEQPACKET) for _ in range(400)]\n"
        f"for one in held: one.connect({SOCKET!r}); assert one.recv(9) == b'wait'\n"
        "open('/var/lib/linod/shop/crowd', 'w'); time.sleep(60)\n",
    )
    shop.sh("setsid --fork python3 /srv/crowd.py >/dev/null 2>&1", user="shop")
    shop.poll(lambda: shop.sh(f"ls {STATE}/crowd 2>/dev/null", check=False), 20, "the crowd")
    job = run(shop, "does_nothing")
    assert (job["status"], job["warm"]) == ("success", False)
    assert "runs cold: its queue is full" in shop.sh(f"journalctl --no-pager -u {unit_of('does_nothing')}")
    shop.sh("kill $(grep -lzx /srv/crowd.py /proc/[0-9]*/cmdline | cut -d/ -f3)")
    shop.poll(lambda: run(shop, "warns")["warm"], 60, "the queue to be empty")


THREADS = {
    "python": """
import threading, time
threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
""",
    # As the idle worker of a library of C. It takes no signal: pause(2) ends with the first that is handled.
    "native": """
import ctypes, signal
libc = ctypes.CDLL(None)
before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
libc.pthread_create(ctypes.byref(ctypes.c_ulong()), None, ctypes.cast(libc.pause, ctypes.c_void_p), None)
signal.pthread_sigmask(signal.SIG_SETMASK, before)
""",
}


@pytest.mark.parametrize("kind", ["python", "native"])
def test_site_that_starts_a_thread_when_it_is_loaded(machine: Machine, kind: str) -> None:
    machine.write("/srv/shop/shop/threads.py", f"from .settings import *\n{THREADS[kind]}")
    add_shop(machine, "shop.threads")
    threads = machine.sh(f"ls /proc/{show(machine, SUPERVISOR, 'MainPID')}/task").split()
    assert len(threads) == 2
    job = run(machine, "does_nothing")
    assert (job["status"], job["warm"]) == ("success", kind == "native")
    told = machine.sh(f"journalctl --no-pager -u {SUPERVISOR}")
    assert ("the site starts 1 threads when it is loaded" in told) == (kind == "python")


def test_another_user_gets_no_job(machine: Machine) -> None:
    add_shop(machine)
    program = "$(ls -d /opt/linod/lib/python3*/site-packages/linod_systemd/forkserver/ask.py)"
    ask = f"/opt/linod/bin/python -I -S {program}"
    machine.sh("chmod -R o+rwX /run/linod/shop")
    said = machine.sh(
        f"{ask} /run/linod/shop/shared/supervisor.socket does_nothing /bin/echo cold 2>&1", user="linod"
    )
    assert said == "linod: runs cold: it is for another user\ncold\n"
    said = machine.sh(
        f"{ask} /run/linod/shop/shared/supervisor.socket does_nothing /bin/echo cold 2>&1", user="shop"
    )
    assert said == "linod: runs cold: it is not asked for by linod-shop-does_nothing.service\ncold\n"
    assert jobs(machine, "does_nothing", "shop") == []
