"""``./install.sh demo``: a throwaway systemd, our installation in it, and the main job, as typed."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.machine import SOURCE, Machine, MachineError, Workshop, debian, host_root  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="./install.sh demo")
    parser.add_argument("--shell", action="store_true", help="stay inside, for a look around")
    parser.add_argument(
        "--base", help="boot a plain Debian of this release (bookworm, trixie), not this host's root"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        base = debian(options.base) if options.base else host_root("12", "13")
        with Workshop() as workshop, Machine(workshop, base) as machine:
            tell("A throwaway systemd has booted; nothing in it outlives this command.")
            show(machine)
            if options.shell:
                tell("You are inside. Ctrl-D leaves, and everything is gone.")
                subprocess.run(machine.command("bash", "--login"))
    except KeyboardInterrupt:
        tell("Interrupted: the machine is gone.")
        return 130
    except MachineError as error:
        print(f"install.sh demo: {error}", file=sys.stderr)
        return 1
    return 0


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def tell(text: str) -> None:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"{bold}# {text}{plain}", flush=True)


def typed(machine: Machine, command: str) -> None:
    """Show a command as a user would type it, and what it says."""
    print(f"\n$ {command}", flush=True)
    environment = f"export SYSTEMD_PAGER=cat COLUMNS={_width()} SYSTEMD_COLORS={int(sys.stdout.isatty())};"
    done = subprocess.run(machine.command("bash", "-c", f"{environment} {command}"), stdin=subprocess.DEVNULL)
    if done.returncode:
        raise MachineError(f"`{command}` ended with {done.returncode}")


def _width() -> int:
    with contextlib.suppress(OSError):
        return os.get_terminal_size().columns
    return 120


def show(machine: Machine) -> None:
    began = time.monotonic()
    typed(machine, f"cd {SOURCE} && ./install.sh")
    tell(f"Installed in {time.monotonic() - began:.0f} s, as on any host.")
    typed(machine, "linod-generate-units && systemctl daemon-reload")
    typed(machine, "systemctl list-timers --all 'linod-*'")
    tell("In at most ten seconds a timer starts a job.")
    machine.poll(
        lambda: '"timer"' in machine.run("linod", "jobs", "--json").stdout, 30, "a timer to start a job"
    )
    typed(machine, "linod demo-data")
    typed(machine, "linod-run clear_seen_messages")
    typed(machine, "linod jobs")
    typed(machine, "journalctl --no-pager --lines=8 -u 'linod-*'")
    typed(machine, "tail --lines=5 /var/log/linod/default/lino.log")
    typed(machine, "systemctl status --no-pager --lines=0 linod-supervisor@default")


if __name__ == "__main__":
    sys.exit(main())
