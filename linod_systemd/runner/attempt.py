"""One attempt of a run: call the procedure, and judge its end. Writes nothing."""

from __future__ import annotations

import signal
import time
import traceback
from types import FrameType, TracebackType
from typing import Any

from linod_systemd.jobs import rerun
from linod_systemd.jobs.outcome import Outcome
from linod_systemd.procedures import Procedure
from linod_systemd.runner import blame
from linod_systemd.sites import config
from linod_systemd.store import request
from linod_systemd.store.choices import Status, StopReason
from linod_systemd.store.rule_store import Run
from linod_systemd.systemd import boot

OURS = (__name__, Run.__module__, Procedure.__module__)  # whose frames no reader of a traceback wants


class Terminated(BaseException):
    """SIGTERM: someone stops the job. Not an Exception, so that a procedure doesn't take it for its own."""


def call(run: Run, ar: Any) -> Outcome:
    """Call the procedure of a run."""
    if run.procedure is None:
        setup = config.command(run.rule.site, "setup")
        reason = f"no procedure is named {run.rule.rule.procedure!r}: run {setup}"
        return Outcome(Status.FAILED, reason, 1)
    request.forget_stop()
    try:
        with _interruptible():
            run.perform(ar)
    except Warning as warning:  # as Lino's linod: a procedure ends early, with a reason, and is well
        if not blame.is_on_purpose(warning):
            return _failed(warning)
        return terminated() if request.stop_was_seen() else Outcome(Status.SUCCESS, str(warning))
    except Terminated:
        return terminated()
    except KeyboardInterrupt:
        return Outcome(Status.KILLED, StopReason.INTERRUPTED, 128 + signal.SIGINT)
    except SystemExit as error:
        if error.code in (None, 0):
            return Outcome(Status.SUCCESS, "the procedure called sys.exit()")
        return Outcome(Status.FAILED, f"the procedure called sys.exit({error.code!r})", 1)
    except BaseException as error:
        return _failed(error)
    return terminated() if request.stop_was_seen() else Outcome(Status.SUCCESS)


def longest(timeout: float, retries: int) -> float:
    """Seconds that all attempts and the waits between them may take."""
    return timeout * (retries + 1) + sum(rerun.wait_before(attempt) for attempt in range(2, retries + 2))


def rest(seconds: float) -> bool:
    """Sleep before the next attempt; whether nobody asked this process to end meanwhile."""
    try:
        with _interruptible():
            time.sleep(seconds)
    except (Terminated, KeyboardInterrupt):
        return False
    return True


def terminated() -> Outcome:
    """How an attempt ended that was asked to end."""
    reason = StopReason.SHUTDOWN if boot.is_shutting_down() else StopReason.TERMINATED
    return Outcome(Status.KILLED, reason, 128 + signal.SIGTERM)


def _failed(error: BaseException) -> Outcome:
    trace: TracebackType | None = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") in OURS:
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace)).rstrip("\n")
    reason = "".join(traceback.format_exception_only(error)).strip().replace("\n", " ")
    if excuse := blame.excuse(error):
        return Outcome(Status.FAILED, f"{excuse}: {reason}", 1, details=text, blameless=True)
    return Outcome(Status.FAILED, reason, 1, details=text)


class _interruptible:
    """While the procedure runs, SIGTERM is an exception, so that it can tidy up and its row be ended; unless
    it looks for that by itself.

    It comes once: a second one, such as both systemd and the client of a warm job send, ends nothing more.
    """

    def __enter__(self) -> None:
        self.before = signal.signal(signal.SIGTERM, self._terminate)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not Terminated:
            signal.signal(signal.SIGTERM, self.before)

    @staticmethod
    def _terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not request.take_stop():
            raise Terminated
