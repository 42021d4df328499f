"""What a run of the tests has left behind: processes, mounts, folders, control groups; told, and ended.

``python -B tests/support/leftovers.py FOLDER``: FOLDER is ``$TMPDIR`` of the run, in which all its folders
lie; each of its processes has ``LINOD_TEST_RUN=FOLDER`` in its environment. ``FOLDER/mounts`` has the mounts
of before.
Exit 1 if anything was left.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.machine import HIERARCHIES  # noqa: E402

EXPECTED = ("mounts", "pytest-of-")
MOST_SECONDS = 10.0  # seconds, for what ends by itself once its parent has


def processes(run: str) -> dict[int, str]:
    """The processes of a run that are not the ones asking: number → command line."""
    own = set(_ancestors(os.getpid()))
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) in own:
            continue
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            if f"LINOD_TEST_RUN={run}".encode() in environment:
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(folder.name)] = line.strip()
        except OSError:  # it has just ended
            continue
    return found


def _ancestors(process: int) -> Iterator[int]:
    while process:
        yield process
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
        process = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))


def mounts() -> set[str]:
    """Where something is mounted on this host, other than in namespaces of their own."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {line.split()[4] for line in lines}


def control_groups() -> set[str]:
    """Those of throwaway machines (tests/support/machine.py)."""
    return {str(group) for hierarchy in HIERARCHIES for group in Path(hierarchy).glob("linod-m*")}


def main(folder: str) -> int:
    """Wait for what is about to end; tell the rest, and end it."""
    before = set(Path(folder, "mounts").read_text(encoding="utf-8").splitlines())
    deadline = time.monotonic() + MOST_SECONDS
    while (processes(folder) or control_groups()) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = []
    for process, line in processes(folder).items():
        left.append(f"process {process}: {line:.200}")
        os.kill(process, signal.SIGKILL)
    for place in sorted(mounts() - before, reverse=True):
        left.append(f"mount {place}")
        subprocess.run(["umount", "--lazy", place], check=False)
    for group in control_groups():
        left.append(f"control group {group}")
    left += [f"folder {entry}" for entry in Path(folder).iterdir() if not entry.name.startswith(EXPECTED)]
    shutil.rmtree(folder, ignore_errors=True)
    for one in left:
        print(f"left behind, and ended: {one}", file=sys.stderr)
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
