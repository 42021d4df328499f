"""Start the programs of root's side: systemctl, systemd-analyze, journalctl, and our own python.

Every one of them goes through :func:`run`: with ``/`` as its folder, nothing on stdin, no terminal, and no
variable of the caller's environment that leads to code. Root may stand in a folder of a site, where
``jinja2.py`` or ``sitecustomize.py`` lie (docs/security.md). tests/unit/sites/test_programs.py finds any
other way to start a program.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from linod_systemd.errors import LinodError
from linod_systemd.sites.site import PATH

KEPT = (
    "HOME",
    "LINOD_ROOT",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
)


class ProgramError(LinodError):
    """A program that is not installed, or does not end."""


@dataclass(frozen=True)
class Done:
    """A program that has ended: its exit code (-N: killed by signal N), and its output."""

    code: int
    stdout: str
    stderr: str


def run(
    command: Sequence[str], *, seconds: float, folder: str = "/", environment: Mapping[str, str] | None = None
) -> Done:
    """Run a program to its end.

    :param seconds: after so many it is killed.
    :param environment: variables besides the plain ones.
    :raises ProgramError: where it is not installed, or does not end in time.
    """
    typed = shlex.join(command)
    try:
        done = subprocess.run(  # noqa: S603 - the one place
            command,
            cwd=folder,
            env=_environment() | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=seconds,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ProgramError(f"{command[0]} is not installed", "install systemd") from None
    except subprocess.TimeoutExpired as error:
        raise ProgramError(
            f"`{typed:.300}` did not end within {seconds:.0f} s", "see: systemctl list-jobs"
        ) from error
    return Done(done.returncode, done.stdout, done.stderr)


def own_module(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours in this python.

    -I: neither the current folder nor a variable says where python imports from.
    """
    return [sys.executable, "-I", "-m", module, *arguments]


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "PATH": PATH, "LANG": "C.UTF-8"}
