"""The tests that need no machine of their own, on the other Debian: in a plain root of it, booted.

``python -B tests/support/elsewhere.py``; the arguments go to pytest. It has that Debian's python, systemd and
time zones, and the newest Django for that python.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.machine import SOURCE, Machine, MachineError, Workshop, debian, other_suite  # noqa: E402

HERE = "/root/checkout"
NOT_COPIED = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__")
EXCLUDED = " ".join(f"--exclude='{name}'" for name in NOT_COPIED)
COPY = f"set -o pipefail; mkdir {HERE} && tar -C {SOURCE} {EXCLUDED} -c . | tar -x -C {HERE}"
# These take long, and are of files, locks and command lines, which are on one release as on the other.
LEFT_OUT = (
    *("cli/test_cli", "cli/test_simulate", "units/test_generator_killed"),
    *("common/test_logfile", "store/test_sqlite_load"),
)
TESTS = [
    *("-q", "-n", "2", "--dist", "loadfile", "tests/unit", "tests/integration"),
    *(f"--ignore=tests/integration/{name}.py" for name in LEFT_OUT),
]


def run(workshop: Workshop, suite: str, django: str = "", arguments: list[str] = TESTS) -> int:
    """Run the tests in a plain root of a release; the exit code of pytest.

    :param django: such as ``6.0``; the newest for its python, if empty.
    :raises MachineError: where the root or the machine cannot be made.
    """
    with Machine(workshop, debian(suite)) as machine:
        machine.sh(COPY)
        command = f"cd {HERE} && DJANGO={django} ./install.sh test {shlex.join(arguments)}"
        return subprocess.run(machine.command("sh", "-c", command)).returncode


def main(arguments: list[str]) -> int:
    """The exit code of pytest."""
    try:
        with Workshop() as workshop:
            return run(workshop, other_suite(), arguments=arguments or TESTS)
    except MachineError as error:
        print(f"tests/support/elsewhere.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
