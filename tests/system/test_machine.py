"""The throwaway machine itself: it leaves nothing, whichever way it ends."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.machine import CHECKOUT, HIERARCHIES, SOURCE, Machine, MachineError, Workshop, host_root

HOLD = """
import sys, time
from tests.support.machine import Machine, Workshop
with Workshop() as workshop, Machine(workshop) as machine:
    print(machine.name, flush=True)
    time.sleep(60)
"""


def processes_of(name: str) -> list[str]:
    """The command lines of this host that name a machine."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name in line:
            found.append(line)
    return found


def left_of(name: str) -> list[str]:
    """Control groups, and processes that still see mounts, of the machine (or the workshop) of this name."""
    groups = [str(group) for top in HIERARCHIES for group in Path(top).glob(f"{name}*")]
    mounts = []
    for mountinfo in Path("/proc").glob("[0-9]*/mountinfo"):
        with contextlib.suppress(OSError):  # it has just ended
            if f"/{name}" in mountinfo.read_text():
                mounts.append(str(mountinfo))
    return groups + mounts


def wait_until_nothing_is_left_of(name: str) -> None:
    deadline = time.monotonic() + 10
    while left := left_of(name):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_after_a_signal(number: signal.Signals) -> None:
    before = Path("/proc/mounts").read_text()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=CHECKOUT,
    )
    assert holder.stdout is not None
    name = holder.stdout.readline().strip()
    assert processes_of(f"--machine={name}")
    holder.send_signal(number)
    holder.wait(30)
    deadline = time.monotonic() + 20
    while (left := processes_of(f"--machine={name}")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    wait_until_nothing_is_left_of(name)
    assert Path("/proc/mounts").read_text() == before


def test_interrupted_demo_says_so_and_leaves_nothing() -> None:
    before = Path("/proc/mounts").read_text()
    demo = subprocess.Popen(
        ["/usr/bin/python3", "tests/support/demo.py"], stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    )
    assert demo.stdout is not None
    assert "has booted" in demo.stdout.readline()
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=60)
    assert (demo.returncode, "Interrupted: the machine is gone." in said) == (130, True)
    assert Path("/proc/mounts").read_text() == before


def test_root_survives_a_reboot_and_a_snapshot(workshop: Workshop, base: Path) -> None:
    with Machine(workshop, base) as machine:
        machine.write("/etc/some/file", "kept")
        machine.reboot()
        assert machine.read("/etc/some/file") == "kept"
        layer = machine.snapshot()
    with Machine(workshop, base, [layer]) as one, Machine(workshop, base, [layer]) as other:
        one.write("/etc/some/file", "changed")
        assert (one.read("/etc/some/file"), other.read("/etc/some/file")) == ("changed", "kept")


def test_failing_command_says_what_it_said(workshop: Workshop) -> None:
    with Machine(workshop) as machine, pytest.raises(MachineError, match="no such file"):
        machine.sh("echo no such file >&2; exit 3")


def test_runs_commands(workshop: Workshop, base: Path) -> None:
    with Machine(workshop, base) as machine:
        assert machine.run("systemctl", "is-system-running").stdout == "running\n"
        assert machine.run("cat", input="in").stdout == "in"
        assert machine.run("whoami", user="nobody").stdout == "nobody\n"
        machine.write("/srv/a folder/file", "text\n")
        assert machine.read("/srv/a folder/file") == "text\n"
        with pytest.raises(MachineError, match=r"'false'.* ended with 1"):
            machine.run("false")
        with pytest.raises(MachineError, match="for the moon; the last answer was ''"):
            machine.poll(lambda: "", 0.1, "the moon")
        assert machine.run("test", "-w", f"{SOURCE}/install.sh", check=False).returncode == 1


def test_reboot_keeps_the_root(workshop: Workshop, base: Path) -> None:
    with Machine(workshop, base) as machine:
        machine.write("/srv/kept", "1")
        before = machine.read("/proc/sys/kernel/random/boot_id")
        machine.reboot()
        assert machine.read("/proc/sys/kernel/random/boot_id") != before
        machine.pull_the_plug()
        machine.boot()
        assert machine.read("/srv/kept") == "1"


def test_machines_of_a_snapshot_are_apart(workshop: Workshop, base: Path) -> None:
    with Machine(workshop, base) as machine:
        machine.write("/srv/common", "1")
        layer = machine.snapshot()
    with Machine(workshop, base, [layer]) as one, Machine(workshop, base, [layer]) as two:
        one.write("/srv/own", "1")
        assert (one.read("/srv/common"), two.read("/srv/common")) == ("1", "1")
        assert two.run("test", "-e", "/srv/own", check=False).returncode == 1
        one.sh("systemd-run --quiet --unit=job sleep 600")
        two.sh("systemd-run --quiet --unit=job sleep 600")
        listed = two.read("/sys/fs/cgroup/system.slice/job.service/cgroup.procs").split()
        assert listed == [two.sh("systemctl show --value --property=MainPID job").strip()]


def test_private_network_has_no_way_out(workshop: Workshop, base: Path) -> None:
    with Machine(workshop, base, network=False) as machine:
        assert machine.sh("ls /sys/class/net").split() == ["lo"]


def test_nothing_is_left_after_close(workshop: Workshop) -> None:
    with Machine(workshop, host_root("12", "13")) as machine:
        assert left_of(machine.name) != []
    with Workshop() as other, Machine(other, host_root("12", "13")) as machine:
        pass
    wait_until_nothing_is_left_of(machine.name)


def test_ctrl_c_ends_the_demo_and_leaves_nothing() -> None:
    """Typed in a terminal, while it installs: every process in the foreground gets it."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(CHECKOUT)
        os.execv("/usr/bin/python3", ["python3", "-B", "tests/support/demo.py"])  # noqa: S606 - no shell wanted
    said = b""
    while b"building linod-systemd" not in said:
        said += os.read(terminal, 4096)
    os.write(terminal, b"\x03")
    with contextlib.suppress(OSError):  # EIO: the terminal has closed
        while more := os.read(terminal, 4096):
            said += more
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 130
    assert "Interrupted: the machine is gone." in said.decode()
    assert "Traceback" not in said.decode()
    wait_until_nothing_is_left_of(f"linod-m{pid}-")
