"""Starts without a row get one, also when the journal does not answer at first."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from linod_systemd import clock
from linod_systemd.common import host
from linod_systemd.jobs import unrecorded_starts
from linod_systemd.models import Job, JobRule
from linod_systemd.sites import config
from linod_systemd.store.choices import Status
from linod_systemd.systemd import boot, journal_server
from linod_systemd.tasks import Tasks
from tests.support.registration import Registered

pytestmark = pytest.mark.django_db(transaction=True)

INVOCATION = "c" * 32
Answers = Callable[[dict[str, Any]], object]


class Socket:
    """Stands in for linod-journal-SITE.socket; where ``answers`` gives None, it hangs up instead."""

    def __init__(self, path: Path, answers: Answers) -> None:
        self.answers = answers
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with connection, connection.makefile("rb") as asked:
                question = asked.read()
                if not question:
                    return
                answer = self.answers(json.loads(question))
                if answer is not None:
                    connection.sendall(json.dumps(answer).encode())

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.listener.getsockname())
        self.thread.join()
        self.listener.close()


@pytest.fixture
def site(registered: Registered) -> Iterator[config.Site]:
    """With a rule, ``started``, and nothing accounted for since a minute ago."""
    Tasks().create_rule(registered(lambda ar: None, "started"))
    site = config.this_site()
    site.accounted_marker.touch()
    since = (clock.utc_now() - timedelta(minutes=1)).timestamp()
    os.utime(site.accounted_marker, (since, since))
    yield site
    site.accounted_marker.unlink()


@pytest.fixture
def journal(site: config.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Socket]:
    """The socket of the site's journal; it hangs up on whatever it is asked."""
    monkeypatch.setattr(journal_server, "FOLDER", tmp_path)
    made = Socket(journal_server.path(site), lambda question: None)
    yield made
    made.close()


def one_start(question: dict[str, Any]) -> object:
    """What a journal says that has a start, half a minute ago, which was killed."""
    at = clock.utc_now() - timedelta(seconds=30)
    if question["about"] == "starts":
        new = datetime.fromisoformat(question["since"]) < at
        return [["linod-started.service", INVOCATION, at.isoformat()]] if new else []
    if question["about"] == "end":
        return {"UNIT_RESULT": "signal", "EXIT_CODE": "killed", "EXIT_STATUS": "9"}
    return "what it said"


def accounted(site: config.Site) -> float:
    return site.accounted_marker.stat().st_mtime


def test_a_journal_that_does_not_answer_is_asked_again(site: config.Site, journal: Socket) -> None:
    before = accounted(site)
    unrecorded_starts.account_for(site)
    assert (accounted(site), Job.objects.count()) == (before, 0)
    journal.answers = one_start
    for _ in range(2):  # the second time, nothing happens
        unrecorded_starts.account_for(site)
        assert accounted(site) > before
        job = Job.objects.get()
        assert (job.status, job.reason) == ("killed", "it did not begin: killed by SIGKILL")
        assert (job.message, job.invocation_id) == ("what it said", INVOCATION)
    assert not JobRule.objects.get(name="started").cancelled


def test_a_start_whose_end_is_not_to_be_known_now_is_not_taken_for_lost(
    site: config.Site, journal: Socket
) -> None:
    before = accounted(site)
    journal.answers = lambda question: one_start(question) if question["about"] == "starts" else None
    unrecorded_starts.account_for(site)
    assert (accounted(site), Job.objects.count()) == (before, 0)


def test_in_a_unit_the_socket_must_be_there(
    site: config.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, the journal looks empty to a process of the site."""
    monkeypatch.setattr(journal_server, "FOLDER", tmp_path)
    before = accounted(site)
    monkeypatch.setenv(
        "RUNTIME_DIRECTORY", f"{tmp_path}/{site.name}/shared:{tmp_path}/{site.name}/runs/linod-started"
    )
    unrecorded_starts.account_for(site)
    assert accounted(site) == before
    monkeypatch.delenv("RUNTIME_DIRECTORY")  # of no unit: what it sees itself is all there is
    unrecorded_starts.account_for(site)
    assert accounted(site) > before


def test_a_lost_row_gets_the_end_that_the_journal_knows(site: config.Site, journal: Socket) -> None:
    journal.answers = one_start
    rule = JobRule.objects.get(name="started")
    row = {"host": host.host_name(), "boot_id": boot.boot_id(), "invocation_id": INVOCATION}
    job = Job.objects.create(rule=rule, rule_name=rule.name, start_datetime=clock.now(), **row)
    job.finish(Status.LOST, reason="its process is gone")
    unrecorded_starts.account_for(site)
    job.refresh_from_db()
    assert (job.status, job.reason) == ("killed", "killed by SIGKILL")
