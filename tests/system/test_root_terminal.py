"""A site that root only asks gets neither root's terminal nor root's patience, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

import pytest

from linod_systemd.common.text import visible
from tests.support.machine import Machine

long = pytest.mark.long

# Added to the settings of the shop: done by each process that loads them outside of a unit of ours.
HOSTILE = """
import os, sys
if "linod-command@" in open("/proc/self/cgroup").read() and os.path.exists("/srv/shop/hostile.py"):
    exec(open("/srv/shop/hostile.py").read())
"""
# The processes of the shop that no job and no supervisor holds.
LEFT = "pgrep -u shop -a sleep || true"
COMMANDS = (
    *("status", "next ticks", "explain ticks", "jobs", "setup", "export", "manage check", "enable ticks"),
    *("calendar", "pause --for 2h", "resume"),
)
STAYS = """
import subprocess
for number in range(3):
    subprocess.Popen(["setsid", "sleep", "1000"])
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "1001"])
    os._exit(0)
"""
SPEAKS = r"""
for stream in (sys.stdout, sys.stderr):
    stream.write("\x1b]0;owned\x07 \x1b[2J \x9b31m \x1b[8mhidden \r over\n")
    stream.flush()
"""
READS = """
import termios
with open("/var/lib/linod/shop/terminals", "a") as file:
    for name in ("/dev/tty", "/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"):
        try:
            handle = os.open(name, os.O_RDWR | os.O_NOCTTY)
            said = os.readlink(f"/proc/self/fd/{handle}") if os.isatty(handle) else "none"
            if os.isatty(handle):
                attributes = termios.tcgetattr(handle)
                attributes[3] &= ~termios.ECHO
                termios.tcsetattr(handle, termios.TCSANOW, attributes)
        except OSError:
            said = "none"
        print(said, file=file)
"""
FLOODS = """
for number in range(300):
    os.write(2, b"x" * 2**20)
"""


@pytest.fixture
def hostile(shop: Machine) -> Machine:
    shop.sh(f"cat >> /srv/shop/shop/settings.py <<'END'\n{HOSTILE}\nEND")
    shop.sh("chown -R shop /srv/shop")
    return shop


def be(machine: Machine, script: str) -> None:
    machine.write("/srv/shop/hostile.py", script)


def on_a_terminal(machine: Machine, command: str) -> str:
    """What root sees in a terminal in which this is typed, from before and after the command."""
    script = f"tty; stty -a; {command}; echo ended $?; stty -a; tty"
    machine.write("/tmp/typed.sh", script)
    done = machine.run("script", "-qec", "bash /tmp/typed.sh", "/dev/null", input="")
    return done.stdout.replace("\r\n", "\n")


def converse(machine: Machine, command: str, answers: Sequence[tuple[str, str]]) -> str:
    """The same where each answer is typed once its question is there."""
    machine.write("/tmp/typed.sh", f"tty; {command}; echo ended $?; stty -a; tty")
    argv = machine.command("script", "-qec", "bash /tmp/typed.sh", "/dev/null")
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None and process.stdout is not None
        seen, from_here = "", 0
        for question, answer in [*answers, ("", "")]:
            while question not in seen[from_here:] or not question:
                part = process.stdout.read(4096).decode(errors="replace")
                seen += part
                if not part:
                    break
            from_here = len(seen)
            if answer:
                process.stdin.write(answer.encode())
        process.stdin.close()
    return seen.replace("\r\n", "\n")


def test_it_leaves_nothing_behind(hostile: Machine) -> None:
    be(hostile, STAYS)
    for command in ("status", "manage check"):
        began = time.monotonic()
        hostile.run("linod", "--site", "shop", *command.split(), check=False, timeout=60)
        assert time.monotonic() - began < 30  # it waits for none of them
        assert hostile.sh(LEFT) == ""
    assert hostile.sh("systemctl list-units --all --plain --no-legend 'linod-command@*'") == ""


@long
def test_no_command_leaves_anything_behind(hostile: Machine) -> None:
    be(hostile, STAYS)
    for command in (*(f"linod --site shop {words}" for words in COMMANDS), "linod doctor shop"):
        hostile.run("bash", "-c", command, check=False, timeout=100)
        assert hostile.sh(LEFT) == "", command
    hostile.run("linod-run", "--site", "shop", "--here", "warns", check=False, timeout=100)
    hostile.run("bash", "-c", "cd /srv/shop && linod install-site shop", check=False, timeout=200)
    assert hostile.sh(LEFT) == ""


def test_it_has_no_terminal_of_roots(hostile: Machine) -> None:
    be(hostile, READS)
    for command in ("linod --site shop status", "linod --site shop manage check", "linod doctor shop"):
        hostile.sh("rm -f /var/lib/linod/shop/terminals")
        seen = on_a_terminal(hostile, command)
        assert seen.splitlines()[0].startswith("/dev/pts/")
        assert " -echo " not in seen and " echo " in seen
        terminals = set(hostile.read("/var/lib/linod/shop/terminals").split())
        assert seen.splitlines()[0] not in terminals
        assert terminals == {"none"} or command.endswith("check")


def test_what_it_says_is_made_visible(hostile: Machine) -> None:
    be(hostile, SPEAKS)
    for command in ("linod --site shop jobs", "linod --site shop manage check", "linod doctor shop"):
        piped = hostile.run("bash", "-c", f"{command} 2>&1", check=False).stdout
        assert visible(piped) == piped
        assert "doctor" in command or "\\x1b]0;owned\\x07" in piped
        seen = on_a_terminal(hostile, command)
        shown = seen.replace("\r", "").replace("\x07", "") if "manage" in command else seen
        assert (
            "\x1b]" not in shown and "\x1b[2J" not in shown and "\x9b" not in shown and "\x1b[8m" not in shown
        )


def test_what_it_floods_is_bounded(hostile: Machine) -> None:
    be(hostile, FLOODS)
    measured = "/opt/linod/bin/python -I -c '{}'"
    script = (
        "import resource, subprocess; done = subprocess.run({!r}, capture_output=True);"
        "memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024;"
        "print(done.returncode, len(done.stderr) // 2**20, memory);"
        "print(done.stderr[-300:])"
    )
    for command in (["linod", "--site", "shop", "status"], ["linod", "doctor", "shop"]):
        text = script.format(command).replace("'", '"')
        said = hostile.run("bash", "-c", measured.format(text)).stdout
        code, printed, memory = map(int, said.splitlines()[0].split())
        assert code == 1
        assert printed <= 65
        assert memory < 150
        assert command[1] == "doctor" or "printed more than" in said


@long
def test_what_does_not_end_is_ended(hostile: Machine) -> None:
    be(hostile, "import signal, time\nsignal.pthread_sigmask(0, range(1, 32))\ntime.sleep(1000)")
    script = (
        "from linod_systemd.sites import config\n"
        "from linod_systemd.site_processes import site_process as s\n"
        "site = config.find_site('shop')\n"
        "words = [site.python, '-m', 'linod_systemd.cli', '--site', 'shop', 'status']\n"
        "try: s.relay(site, words, s.Limits(3, 1000))\n"
        "except s.TooMuch as error: print(error)"
    )
    said = hostile.run("/opt/linod/bin/python", "-I", "-c", script, timeout=60).stdout
    assert "did not end within 3 s, and was ended" in said
    assert hostile.sh("pgrep -u shop -f 'site shop status' || true") == ""


@long
def test_ctrl_c_ends_it(hostile: Machine) -> None:
    be(hostile, "import signal, time\nsignal.pthread_sigmask(0, range(1, 32))\ntime.sleep(1000)")
    began = time.monotonic()
    done = hostile.run("timeout", "--signal=INT", "3", "linod", "--site", "shop", "status", check=False)
    assert done.returncode in (124, 130, 137)
    assert time.monotonic() - began < 30
    assert hostile.sh("pgrep -u shop -f 'site shop status' || true") == ""


def test_a_shell_of_the_site_works_for_root(shop: Machine) -> None:
    """By a terminal of its own; and from a pipe."""
    answers = [(">>> ", "import os\n"), (">>> ", "print(6 * 7, os.ttyname(0))\n"), (">>> ", "exit()\n")]
    seen = converse(shop, "linod --site shop manage shell -v0", answers)
    assert "42 /dev/pts/" in seen
    own = next(line for line in seen.splitlines() if line.startswith("42 ")).split()[1]
    assert own != seen.splitlines()[0]
    assert seen.splitlines()[-1] == seen.splitlines()[0]  # it is root's terminal still
    piped = shop.run("linod", "--site", "shop", "manage", "shell", "-v0", input="print(6 * 7)\n")
    assert piped.stdout == "42\n"


@long
def test_a_superuser_is_made_by_root(shop: Machine) -> None:
    answers = [("Username", "boss\n"), ("Email", "boss@example.org\n")]
    answers += [("Password:", "7up-and-down\n"), ("Password (again):", "7up-and-down\n")]
    seen = converse(shop, "linod --site shop manage createsuperuser", answers)
    assert "Superuser created successfully." in seen
    assert "ended 0" in seen
