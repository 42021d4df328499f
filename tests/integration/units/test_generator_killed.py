"""Killed at each of its writes, the generator leaves whole files that load; the next run repairs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import date, time
from pathlib import Path

import pytest

from linod_systemd.rules import rules_file
from linod_systemd.rules.rule import Rule
from linod_systemd.systemd import analyze
from linod_systemd.units import apply, locks

# The system calls by which a process changes a disk (openat(2) makes a file; each is followed by a write).
CALLS = (
    *("write", "pwrite64", "writev", "sendfile", "copy_file_range", "ftruncate", "fallocate", "utimensat"),
    *("fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
    *("chmod", "fchmod", "fchmodat", "chown", "fchown", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir"),
)


def rule(name: str, hour: int, *, cancelled: bool = False) -> Rule:
    return Rule(name=name, start_date=date(2026, 1, 1), start_time=time(hour), cancelled=cancelled)


OLD = [rule("stays", 1), rule("moves", 2), rule("goes", 3), rule("is_cancelled", 4)]
NEW = [rule("stays", 1), rule("moves", 12), rule("comes", 5), rule("is_cancelled", 4, cancelled=True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "units").mkdir()
    return tmp_path


def command(folder: Path, rules: list[Rule]) -> list[str]:
    path = folder / "rules.json"
    path.write_text(rules_file.dump("default", "UTC", rules))
    program = ("-m", "linod_systemd.units.generate")
    return [sys.executable, *program, "--rules", str(path), "--output", str(folder / "units")]


def generate(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Without systemd-analyze in its PATH, which would take most of the time."""
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": "/nowhere"})


def traced(command: list[str], calls: Sequence[str], *options: str) -> tuple[int, list[str]]:
    """Run it under strace; its exit code, and these system calls in their order.

    Not those of its child, which writes into a pipe alone, and whose calls strace counts apart.
    """
    with tempfile.NamedTemporaryFile("r") as log:
        strace = ["/usr/bin/strace", "-qq", "-o", log.name]
        done = generate([*strace, "-e", f"trace={','.join(calls)}", *options, *command])
        seen = [line.partition("(")[0] for line in log]
    return done.returncode, [call for call in seen if call in calls]


def texts(folder: Path) -> dict[str, str]:
    """The units as systemd sees them: it takes no file whose name begins with a dot."""
    found = [path for path in (folder / "units").rglob("*") if path.is_file() and path.name[0] != "."]
    return {
        str(path.relative_to(folder / "units")): "".join(
            line for line in path.read_text().splitlines(keepends=True) if "Reckoned from" not in line
        )
        for path in found
    }


@pytest.mark.parametrize("stride", [5, pytest.param(1, marks=pytest.mark.long)])
def test_killed_at_each_system_call_that_writes(folder: Path, stride: int) -> None:
    units, kept = folder / "units", folder / "kept"
    assert generate(command(folder, OLD)).returncode == 0
    old = texts(folder)
    shutil.copytree(units, kept)
    to_new = command(folder, NEW)
    _, calls = traced(to_new, CALLS)
    new = texts(folder)
    assert {"write", "fsync", "rename", "unlink"} <= set(calls) and len(calls) > 30
    for at in range(0, len(calls), stride):
        shutil.rmtree(units)
        shutil.copytree(kept, units)
        number = calls[: at + 1].count(calls[at])
        code, _ = traced(to_new, [calls[at]], "-e", f"inject={calls[at]}:signal=KILL:when={number}")
        assert code == -signal.SIGKILL, (calls[at], number)
        _assert_whole(folder, old, new)
        if at % 10 == 0:
            assert analyze.verify(_raw(folder), units) == []
        assert generate(to_new).returncode == 0
        assert texts(folder) == new
        assert list(units.rglob(".*")) == []


def _assert_whole(folder: Path, old: dict[str, str], new: dict[str, str]) -> None:
    now = texts(folder)
    for name, text in now.items():
        assert text in (old.get(name), new.get(name)), name
    assert old.keys() & new.keys() <= now.keys()
    upheld = apply.upheld(now["linod.target.d/50-default.conf"])
    assert {unit for unit in upheld if unit.endswith(".timer")} <= now.keys()


def _raw(folder: Path) -> dict[str, str]:
    return {name: (folder / "units" / name).read_text() for name in texts(folder)}


def _has_open(pid: int, locks_of_ours: Path) -> bool:
    """Whether a process has come to a lock."""
    with contextlib.suppress(FileNotFoundError):
        return any(
            os.readlink(link).startswith(str(locks_of_ours)) for link in Path(f"/proc/{pid}/fd").iterdir()
        )
    return False


def test_a_lock_that_is_held_for_ever_is_told_with_its_holder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding = "import sys, time; from pathlib import Path; from linod_systemd.units import locks\n"
    holding += "with locks.of_site('default', Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", holding, str(folder / "units")], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        monkeypatch.setattr(locks, "SITE_SECONDS", 0.2)
        with (
            pytest.raises(locks.Held, match=f"process {holder.pid} has held"),
            locks.of_site("default", folder / "units"),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()


def test_nobody_else_can_take_a_lock(folder: Path) -> None:
    with locks.of_site("default", folder / "units"):
        assert locks.directory().stat().st_mode & 0o077 == 0
        assert all(path.stat().st_mode & 0o077 == 0 for path in locks.directory().iterdir())
        handle = os.open(folder / "units", os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which any user may do, and which holds nobody up
        os.close(handle)


def test_two_at_once_wait_for_each_other_and_the_last_to_write_has_read_last(folder: Path) -> None:
    with locks.of_site("default", folder / "units"):
        waiting = subprocess.Popen(command(folder, OLD), stdout=subprocess.PIPE, text=True)
        while not _has_open(waiting.pid, locks.directory()):
            assert waiting.poll() is None
        assert texts(folder) == {}
        command(folder, NEW)
    said, _ = waiting.communicate()
    assert waiting.returncode == 0 and "0 changed" in said
    assert "linod-comes.timer" in texts(folder) and "linod-goes.timer" not in texts(folder)
