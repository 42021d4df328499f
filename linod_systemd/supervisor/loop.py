"""linod-supervisor@SITE.service: it has the site loaded, forks the jobs, and does its chores.

One thread, which sleeps until a client, a signal, the end of a child or the next check. It holds no
connection: what needs the database is done in forks (supervisor/chores.py). The timers don't need it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import time
from collections.abc import Iterator

from linod_systemd.common.logfile import FORMAT, LinoLogHandler
from linod_systemd.errors import LinodError
from linod_systemd.forkserver import sandbox
from linod_systemd.forkserver.server import ForkServer
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.supervisor import signals
from linod_systemd.supervisor.chore_process import Chore, Chores
from linod_systemd.supervisor.chore_schedule import SET_UPS
from linod_systemd.supervisor.handover import LOAD_SECONDS, Predecessor, Successor
from linod_systemd.supervisor.mailing import Mailing
from linod_systemd.supervisor.report import Report
from linod_systemd.systemd import journal
from linod_systemd.systemd.notify import Notifier

logger = logging.getLogger("linod.supervisor")

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
RELOAD_FAILED = "reload failed, the old code serves on; its journal says why"
CHECK_FAILED = "the last check failed; its journal says why"
CHECK_SECONDS = 29.0  # a rule changed behind our back reaches the timers within 30 s


def supervise(site: config.Site) -> int:
    """Serve until SIGTERM; the exit code.

    :raises LinodError: where the site cannot be set up; systemd then tries again.
    """
    with _logging(site), signals.caught(SIGNALS) as wake:
        return Supervisor(site, Notifier(), wake).serve()


class Supervisor:
    """The loop. ``wake`` is a descriptor from which the numbers of caught signals are read."""

    def __init__(self, site: config.Site, notifier: Notifier, wake: int) -> None:
        self.site = site
        self.notifier = notifier
        self.wake = wake
        self.predecessor = Predecessor.of_this_process()
        self.successor: Successor | None = None
        self.successor_until = 0.0
        self.server: ForkServer | None = None
        self.serving = False
        self.retired = False
        self.reload_asked = False
        self.ended = False
        self.trouble = ""
        config.ensure_directories(site)
        self.ping_every = notifier.check_every(CHECK_SECONDS)
        self.next_ping = time.monotonic()
        self.chores = Chores(site, self.ping_every)
        self.mailing = Mailing(site)
        self.selector = selectors.DefaultSelector()
        self.selector.register(wake, selectors.EVENT_READ, self._take_signals)
        self.selector.register(self.chores.ends.fd, selectors.EVENT_READ, self.chores.take_ends)

    def serve(self) -> int:
        """:raises LinodError: where the site cannot be set up."""
        self.notifier.status("setting up the rules")
        self._begin("set_up" if self.predecessor is None else "set_up_again")
        while not self.ended:
            for key, _ in self.selector.select(self._rest()):
                key.data()
            self._look_after()
        return 0

    # --- what is due ---------------------------------------------------------------------------

    def _rest(self) -> float | None:
        """Seconds until there is something to do; None: only what comes from outside."""
        if self.retired:
            return None
        dues = [self.next_ping]
        if self.successor is not None:
            dues.append(self.successor_until)
        if self.serving or self.chores.chore is not None:
            dues += [self.chores.due, self.mailing.due]
        return max(0.0, min(dues) - time.monotonic())

    def _look_after(self) -> None:
        now = time.monotonic()
        if self.retired:
            self.ended = self.ended or self.server is None or self.server.is_idle
            return
        if now >= self.next_ping:
            self.notifier.watchdog()
            self.next_ping = now + self.ping_every
        if self.successor is not None and now >= self.successor_until:
            self.successor.give_up()
            self.successor_until = now + LOAD_SECONDS
        if self.chores.chore is not None:
            self.chores.chore.end_hanging()
        elif self.serving and self.reload_asked and self.successor is None:
            self._reload()
        elif self.serving and (chore := self.chores.due_chore()):
            self._begin(chore)
        if self.serving:
            self.mailing.look()
            self.mailing.begin(self._descriptors())

    # --- the chores --------------------------------------------------------------------------

    def _begin(self, chore: str) -> None:
        self.chores.begin(chore, self._descriptors())

    def _descriptors(self) -> list[int]:
        """Return those that are none of a chore's business."""
        return [*self._held(), *(self.server.descriptors() if self.server else ())]

    def _held(self) -> list[int]:
        return [self.wake, self.chores.ends.fd, self.selector.fileno()]

    def _end_chore(self, chore: Chore) -> None:
        """:raises LinodError: where the site could not be set up."""
        report = self.chores.finish(chore)
        if self.retired:
            return
        if chore.name in SET_UPS:
            self._serve(report)
            return
        if chore.name == "check":
            self._renew()
        # The timers go on without us, and the database may come back: tell what is wrong, and stay.
        # Every user of the host reads this: the words of the error stay in the journal.
        if status := CHECK_FAILED if report.error else self.trouble or report.status:
            self.notifier.status(status)

    def _renew(self) -> None:
        """End, to be started anew, where our unit is not what it was: no job could have its sandbox."""
        if self.server is not None and sandbox.is_to_be_renewed(self.server.own):
            logger.info("site %s: started anew, as %s was changed", self.site.name, self.server.own.unit)
            self._stop()

    # --- jobs ----------------------------------------------------------------------------------

    def _serve(self, report: Report) -> None:
        if self.site.preload:
            self._preload()
        if self.predecessor is not None and not self.predecessor.relieve():
            raise LinodError("the supervisor that was to be relieved is gone", "systemd starts another")
        self.predecessor = None
        self.serving = True
        self.notifier.ready(self.trouble or report.status)
        # systemd takes pings of the main process alone, which this has just become (systemd-facts.md, 32).
        self.next_ping = time.monotonic()

    def _preload(self) -> None:
        from linod_systemd.supervisor import preload  # Django, which is not there before the site is loaded

        self.server, self.trouble = preload.fork_server(self.site, self._held())
        if self.server is None:
            logger.error("site %s: %s", self.site.name, self.trouble)
            return
        self.selector.register(self.server.listening, selectors.EVENT_READ, self.server.accept)
        self.selector.register(self.server.reports, selectors.EVENT_READ, self._take_reports)

    def _take_reports(self) -> None:
        if self.server is None:
            return
        self.chores.take_ends()  # what the kernel tells of these ends came before what they tell
        for rule in self.server.take_reports():
            self.chores.has_told(rule)

    # --- signals -------------------------------------------------------------------------------

    def _take_signals(self) -> None:
        received = set(os.read(self.wake, 512))
        if signal.SIGCHLD in received:
            self._reap()
        if signal.SIGTERM in received or signal.SIGINT in received:
            self._stop()
        elif signal.SIGHUP in received:
            self.reload_asked = True

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                child, status = os.waitpid(-1, os.WNOHANG)
                if child == 0:
                    return
                chore = self.chores.chore
                if chore is not None and child == chore.process:
                    self._end_chore(chore)
                elif self.mailing.chore is not None and child == self.mailing.chore.process:
                    self.mailing.finish(self.mailing.chore)
                elif self.server is not None:
                    self.server.reap(child, status)

    def _stop(self) -> None:
        """The jobs go on: each is in its own unit, and writes its own end."""
        self.ended = True
        if self.retired:
            return
        self.notifier.stopping()
        if self.successor is not None:
            self.successor.give_up()
        if self.server is not None:
            self.server.withdraw()

    def _reload(self) -> None:
        """SIGHUP: have a new process load the new code."""
        self.reload_asked = False
        self.notifier.reloading()
        try:
            self.successor = Successor(self.site)
        except OSError as error:
            self._reloaded(f"no process for it can be started ({error})")
            return
        self.successor_until = time.monotonic() + LOAD_SECONDS
        self.selector.register(self.successor, selectors.EVENT_READ, self._take_successor)

    def _take_successor(self) -> None:
        assert self.successor is not None  # noqa: S101 - it is what this is called for
        successor, self.successor = self.successor, None
        self.selector.unregister(successor)
        is_ready, said = successor.is_ready(), successor.said()
        if is_ready:
            logger.info("site %s: the new code serves", self.site.name)
            successor.take_over(self.notifier)
            self._retire()
        else:
            self._reloaded(said)
        successor.close()

    def _reloaded(self, problem: str) -> None:
        self.trouble = RELOAD_FAILED
        logger.error("site %s: %s: %s", self.site.name, self.trouble, problem)
        self.notifier.ready(self.trouble)

    def _retire(self) -> None:
        """Wait for the ends of the jobs, whose parent this is."""
        self.retired = True
        self.selector.unregister(self.chores.ends.fd)
        if self.server is not None:
            self.selector.unregister(self.server.listening)
            self.server.accept()  # who came before the new socket was in its place
            self.server.withdraw()


@contextlib.contextmanager
def _logging(site: config.Site) -> Iterator[None]:
    root = logging.getLogger()
    # How a site speaks is known where it is loaded.
    formatter = rule_store.current().formatter() if site.preload else logging.Formatter(FORMAT)
    lino_log = LinoLogHandler(site.log_file, formatter)
    handlers = [journal.Handler({"LINOD_SITE": site.name}), lino_log]
    root.setLevel(logging.INFO)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
