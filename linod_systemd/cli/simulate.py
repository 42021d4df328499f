"""Run the rules of a site without systemd, in the foreground, on a developer's machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from datetime import UTC, datetime

from django.db import close_old_connections

from linod_systemd.jobs import consequences, running
from linod_systemd.jobs.reconcile import reconcile
from linod_systemd.runner import attempt
from linod_systemd.runner.start import Start
from linod_systemd.sites import config
from linod_systemd.store import export, rule_store
from linod_systemd.store.choices import Status
from linod_systemd.store.job import Job
from linod_systemd.tasks import Tasks

LONGEST_SLEEP = 5.0  # seconds until a rule that was changed elsewhere is seen
GRACE = 10.0  # seconds from SIGTERM to SIGKILL


class Simulation:
    """Starts each due rule as ``linod-run``, a process of its own, as a unit would be."""

    def __init__(self, site: config.Site) -> None:
        self.site = site
        self.tasks = Tasks(start=self.start)
        self.running: dict[str, tuple[subprocess.Popen[bytes], float]] = {}

    def start(self, start: Start) -> None:
        rule = start.rule.rule
        if rule.name in self.running or running.is_locked(self.site, rule.name):
            return
        how = ["--elapsed", start.by.rang.isoformat()] if start.by.rang else ["--here"]
        command = [sys.executable, "-m", "linod_systemd.run", *how, "--", rule.name]
        process = subprocess.Popen(command, env=self._environment())  # noqa: S603
        self.running[rule.name] = (process, time.monotonic() + attempt.longest(rule.timeout, rule.retries))

    def _environment(self) -> dict[str, str]:
        """That of this process, which may have found the site by where manage.py lies."""
        path = os.pathsep.join(place or os.getcwd() for place in sys.path)
        site = {"LINOD_SITE": self.site.name, "DJANGO_SETTINGS_MODULE": self.site.settings}
        return {**os.environ, **site, "PYTHONPATH": path}

    def reap(self) -> None:
        """Forget what has ended, and end what exceeds its timeout."""
        for name, (process, deadline) in list(self.running.items()):
            if process.poll() is None and time.monotonic() > deadline:
                job = rule_store.current().jobs(name).running().first()
                self._end(process)
                if job is not None and self._overrule(job):
                    consequences.judge(job)
            if process.poll() is not None:
                del self.running[name]
                reconcile(self.site)

    @staticmethod
    def _overrule(job: Job) -> bool:
        reason = "it took longer than the rule's timeout"
        return rule_store.current().finish(
            job, status=Status.TIMEOUT, reason=reason, overrules=[Status.KILLED]
        )

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def end(self) -> None:
        for process, _ in self.running.values():
            self._end(process)
        reconcile(self.site)


def simulate(site: config.Site, *, once: bool = False) -> int:
    """Run what is due until Ctrl-C (or, with ``once``, what is due now, to its end); the exit code."""
    simulation = Simulation(site)
    print(f"{site.name}: {simulation.tasks.setup()}; until Ctrl-C", flush=True)
    export.export(site)
    reconcile(site)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            close_old_connections()
            due = simulation.tasks.run()
            wait = (due - datetime.now(UTC)).total_seconds()
            if once and not simulation.running:
                break
            time.sleep(min(max(wait, 0.1), 0.5 if simulation.running else LONGEST_SLEEP))
            simulation.reap()
            if once and not simulation.running:
                break
    simulation.end()
    return 0
