"""Run a rule by hand, as root: in the rule's own unit, with its output as it comes, to its end.

So a run by hand has the unit's sandbox, control group and journal, too. A reference to the unit keeps
systemd from forgetting how it ended (docs/systemd-facts.md, 24).
"""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

from linod_systemd.common import unit_names
from linod_systemd.common.text import visible
from linod_systemd.errors import AlreadyRunning, LinodError
from linod_systemd.rules.nearest import no_such_rule
from linod_systemd.site_processes.held_process import ENDED, EXITED
from linod_systemd.sites import config, site_user
from linod_systemd.systemd import journal, systemctl
from linod_systemd.systemd.dbus import Bus
from linod_systemd.units import read_as_user

LOOK_SECONDS = 0.05


class NoUnit(LinodError):
    """A rule whose unit systemd does not know."""


def run(site: config.Site, rule: str) -> int:
    """Start the unit of a rule and follow it; the exit code of its job (128 + the signal that killed it).

    Ctrl-C and SIGTERM stop the unit; this ends with it.

    :raises NoSuchRule: where rules.json has no rule of this name, with the nearest.
    :raises NoUnit: where its unit is not there.
    :raises AlreadyRunning: where its unit is active.
    """
    unit = unit_names.service(site.unit_prefix, rule)
    with Bus() as bus:
        if bus.load_state(unit) != "loaded":
            _check_known(site, rule)
            raise NoUnit(f"systemd knows no unit {unit}", "linod-generate-units && systemctl daemon-reload")
        if (state := bus.get("Unit", "ActiveState", unit)) not in ENDED:
            began = bus.instant("Unit", "InactiveExitTimestamp", unit)
            since = f" since {began.isoformat(' ', 'seconds')}" if began else ""
            raise AlreadyRunning(
                f"the rule {rule!r} is already running{since} ({unit} is {state})",
                f"systemctl status {shlex.quote(unit)}",
            )
        bus.hold(unit)  # or systemd forgets how it ended
        before = bus.get("Unit", "InvocationID", unit)
        with _stopping(bus, unit) as asked:
            bus.start(unit)
            _follow(bus, site, unit, before)
        return _exit_code(bus, unit, rule, asked)


def _check_known(site: config.Site, rule: str) -> None:
    rules = read_as_user.read_rules(site)
    if rules is None or rules.get(rule) is None:
        raise no_such_rule(rule, [known.name for known in rules.rules] if rules else [], site.rule_commands())


def _follow(bus: Bus, site: config.Site, unit: str, before: bytes) -> None:
    """Print what the run that is not ``before`` says, until it has ended."""
    user = site_user.account_of(site).pw_uid
    reading: Iterator[journal.Line | None] | None = None
    while True:
        has_job = bus.has_job(unit)
        invocation = bus.get("Unit", "InvocationID", unit)
        if reading is None and invocation != before and invocation:
            reading = journal.follow(site.name, user, bytes(invocation).hex())
        # Asked in this order: what has a new invocation has begun, and what has no job begins no more.
        ended = bus.get("Unit", "ActiveState", unit) in ENDED and (reading is not None or not has_job)
        if ended:
            systemctl.run(["journalctl", "--sync"], check=False)
        for line in reading or ():
            if line is None:
                break
            print(visible(line.text), file=sys.stdout if line.is_printed else sys.stderr, flush=True)
        if ended:
            return
        time.sleep(LOOK_SECONDS)


def _exit_code(bus: Bus, unit: str, rule: str, asked: list[int]) -> int:
    code, status = bus.get("Service", "ExecMainCode", unit), bus.get("Service", "ExecMainStatus", unit)
    result = bus.get("Service", "Result", unit)
    if asked:
        print(f"linod-run: {rule}: stopped", file=sys.stderr)
        return 128 + asked[0]
    if code in (0, EXITED) and result in ("success", "exit-code"):
        return int(status)
    print(f"linod-run: {rule}: {result}; see: systemctl status {shlex.quote(unit)}", file=sys.stderr)
    return 128 + int(status) if code not in (0, EXITED) else 1


@contextlib.contextmanager
def _stopping(bus: Bus, unit: str) -> Iterator[list[int]]:
    """While it runs, Ctrl-C and SIGTERM stop the unit; gives the signals that came."""
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        systemctl.systemctl("stop", "--no-block", "--", unit)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
