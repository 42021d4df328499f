"""What tests of procedures need: a request, and a mail server that really listens."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import django
import pytest
from aiosmtpd.controller import Controller
from django.test import override_settings

from linod_systemd import clock
from linod_systemd.jobs import outbox
from linod_systemd.models import Job, JobRule
from linod_systemd.procedures import Procedures
from linod_systemd.sites import config
from linod_systemd.store.progress import Progress
from linod_systemd.store.request import Request
from linod_systemd.tasks import Tasks

BIN = Path(sys.executable).parent
Command = Callable[..., subprocess.CompletedProcess[str]]

Run = Callable[[str], Job]


@pytest.fixture
def run() -> Run:
    """Runs a procedure with a request whose rule and job are rows; gives the job.

    :raises Warning: as the procedure does.
    """

    def run_now(name: str) -> Job:
        procedure = Procedures.get(name)
        assert procedure is not None
        rule: JobRule = Tasks().create_rule(procedure).row
        job: Job = Job.objects.create(
            rule=rule, rule_name=name, start_datetime=clock.utc_now(), end_datetime=clock.utc_now()
        )
        Job.objects.filter(pk=job.pk).update(status="success")
        procedure.run(Request(rule, job, logging.getLogger("linod.job"), Progress(job)))
        return job

    return run_now


class MailServer:
    """An SMTP server on a loopback port of its own; it keeps what it took, and can be stopped.

    ``refused``: recipients that it answers with 550. ``cut_off``: those on whom it hangs up, with the
    reply 421 or none (``hangs_up_silently``), as servers do that have had enough of a client.
    ``breaks_after_text``: those whose mail it takes, and of whom it says so to nobody.
    """

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.mails: list[EmailMessage] = []
        self.asked: list[str] = []
        self.refused: set[str] = set()
        self.cut_off: set[str] = set()
        self.hangs_up_silently = False
        self.breaks_after_text: set[str] = set()
        self.refused_senders: set[str] = set()
        self.controller: Any = None

    def start(self) -> None:
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self) -> None:
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    def recipients(self) -> list[str]:
        return sorted(str(mail["To"]) for mail in self.mails)

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refused_senders:
            return "550 5.7.1 Sender not allowed"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        self.asked.append(address)
        if address in self.refused:
            return "550 5.1.1 No such user here"
        if address in self.cut_off:
            if self.hangs_up_silently:
                server.transport.abort()
            return "421 4.7.0 Too many errors, closing"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        if self.breaks_after_text & set(envelope.rcpt_tos):
            server.transport.abort()
        return "250 OK"


def mailed_by(port: int, timeout: float = 5) -> override_settings:
    """Settings by which mail goes to a server; pytest-django sets a backend that only remembers."""
    backend = "django.core.mail.backends.smtp.EmailBackend"
    if django.VERSION < (6, 1):
        return override_settings(
            EMAIL_BACKEND=backend, EMAIL_HOST="127.0.0.1", EMAIL_PORT=port, EMAIL_TIMEOUT=timeout
        )
    options = {"host": "127.0.0.1", "port": port, "timeout": timeout}
    return override_settings(MAILERS={"default": {"BACKEND": backend, "OPTIONS": options}})


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    """A mail server that runs, and that Django's SMTP backend is set to; no mail waits from elsewhere."""
    for path in outbox.waiting(config.this_site()):
        path.unlink()
    server = MailServer()
    server.start()
    try:
        with mailed_by(server.port):
            yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def typed(root: Path) -> Iterator[Command]:
    """Runs a command line on the demo site, whose database is migrated and set up."""
    environment = {
        **os.environ,
        "LINOD_ROOT": str(root),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "EMAIL_PORT": "1",
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)

    def run(line: str, **values: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, env={**environment, **values}, cwd="/"
        )

    for line in ("linod manage migrate -v0", "linod setup", "linod demo-data"):
        done = run(line)
        assert done.returncode == 0, done.stderr
    yield run
