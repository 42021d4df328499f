"""One job in this process: its row, its message, its end."""

from __future__ import annotations

import logging
import logging.config
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import override_settings
from django.utils.deprecation import RemovedInNextVersionWarning
from urllib3.exceptions import NotOpenSSLWarning

from linod_systemd.common import host
from linod_systemd.common.logfile import LinoLogHandler
from linod_systemd.errors import AlreadyRunning, ConfigurationError, NoSuchRule
from linod_systemd.jobs import running, spool
from linod_systemd.jobs.reconcile import reconcile
from linod_systemd.models import Job, JobRule
from linod_systemd.runner import blame, execute
from linod_systemd.sites import config
from linod_systemd.systemd import boot
from linod_systemd.tasks import Tasks
from tests.support.registration import Registered

pytestmark = pytest.mark.django_db(transaction=True)


def works(ar: Any) -> None:
    ar.debug("too low")
    ar.info("working on %s", ar.rule.name)
    ar.warning("almost\ndone")


def fails(ar: Any) -> None:
    ar.info("before")
    raise ValueError("no such shelf")


def warns(ar: Any) -> None:
    raise Warning("closed today")


def fails_with_a_nul(ar: Any) -> None:
    raise ValueError("a\0b\udc80")


def leaves(ar: Any) -> None:
    sys.exit("gone")


@pytest.fixture(autouse=True)
def _procedures(registered: Registered) -> None:
    made = [works, fails, fails_with_a_nul, warns, leaves]
    for func in made:
        Tasks().create_rule(registered(func, f"test_{func.__name__}"))


def run(name: str) -> tuple[int, Job]:
    code = execute.execute(config.this_site(), name)
    job = Job.objects.filter(rule_name=name).first()
    assert job is not None
    return code, job


def test_success() -> None:
    code, job = run("test_works")
    assert (code, job.status, job.reason, job.exit_code) == (0, "success", "", 0)
    assert job.message == "working on test_works\nalmost\ndone"
    assert (job.trigger, job.attempt, job.host) == ("manual", 1, host.host_name())
    assert job.end_datetime is not None and job.start_datetime <= job.end_datetime


def test_log_level_of_the_rule_is_the_messages() -> None:
    JobRule.objects.filter(name="test_works").update(log_level="DEBUG")
    assert run("test_works")[1].message.startswith("too low")
    JobRule.objects.filter(name="test_works").update(log_level="WARNING")
    assert run("test_works")[1].message == "almost\ndone"


def test_lino_log_has_whole_records() -> None:
    _, job = run("test_works")
    lines = config.this_site().log_file.read_text().splitlines()
    mine = lines[next(i for i, line in enumerate(lines) if f"job #{job.pk} started" in line) :]
    assert mine[1].endswith(": working on test_works")
    assert "WARNING [linod.job" in mine[2]
    assert mine[3] == "    done"
    assert f"job #{job.pk} ended: success" in mine[4]


@override_settings(ADMINS=[("Admin", "admin@example.org")])
def test_failure_cancels_the_rule_and_tells_the_admins() -> None:
    JobRule.objects.update(cancel_on_manual_failure=True)
    code, job = run("test_fails")
    assert (code, job.status, job.reason, job.exit_code) == (1, "failed", "ValueError: no such shelf", 1)
    assert job.message.startswith("before\nTraceback (most recent call last):")
    assert "in _call" not in job.message and "in fails" in job.message
    rule = JobRule.objects.get(name="test_fails")
    assert (rule.cancelled, rule.cancelled_by) == (True, "failure")
    assert [message.to for message in mail.outbox] == [["admin@example.org"]]
    assert "linod enable test_fails" in mail.outbox[0].body


def test_cancelled_rule_can_be_run_by_hand() -> None:
    Tasks().cancel_rule(JobRule.objects.get(name="test_works"))
    assert run("test_works")[0] == 0


def test_a_rule_can_be_run_as_in_lino() -> None:
    """As in Lino: ``JobRule.run(ar, lgr=None) -> Job``."""
    job = JobRule.objects.get(name="test_works").run()
    assert (job.status, job.trigger, job.scheduled_for) == ("success", "manual", None)
    assert "working on test_works" in Job.objects.get(pk=job.pk).message

    class Own:
        rule = JobRule(name="theirs")
        logger = logging.getLogger("theirs")
        debug, info, warning = logger.debug, logger.info, logger.warning

    assert "working on theirs" in JobRule.objects.get(name="test_works").run(Own()).message
    job = JobRule.objects.get(name="test_fails").run(None, logging.getLogger("theirs"))
    assert (job.status, job.reason) == ("failed", "ValueError: no such shelf")
    assert not JobRule.objects.get(name="test_fails").cancelled, "it was started by hand"


def test_warning_is_success_with_the_reason() -> None:
    code, job = run("test_warns")
    assert (code, job.status, job.reason) == (0, "success", "closed today")
    assert not JobRule.objects.get(name="test_warns").cancelled


def test_exit_is_a_failure() -> None:
    code, job = run("test_leaves")
    assert (code, job.status) == (1, "failed")
    assert "sys.exit('gone')" in job.reason


def test_procedure_that_is_gone() -> None:
    JobRule.objects.filter(name="test_works").update(procedure="gone")
    code, job = run("test_works")
    assert (code, job.status) == (1, "failed")
    assert "no procedure is named 'gone'" in job.reason


def test_unknown_rule_names_the_nearest() -> None:
    Tasks().setup()
    with pytest.raises(NoSuchRule, match="did you mean test_works"):
        execute.execute(config.this_site(), "test_work")


def test_one_run_of_a_rule_at_a_time() -> None:
    site = config.this_site()
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, site.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None and holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert running.is_locked(site, "test_works")
    with pytest.raises(AlreadyRunning) as caught:
        execute.execute(site, "test_works")
    assert caught.value.exit_code == 75
    assert "'test_works' is already running" in caught.value.message
    assert Job.objects.count() == 0
    holder.kill()  # a claim ends with its process, whichever way that went
    holder.wait()
    assert not running.is_locked(site, "test_works")
    assert run("test_works")[0] == 0


_HOLD = """
import sys
from linod_systemd.jobs import running, spool
from linod_systemd.sites import config
with running.lock_held(config.find_site(), "test_works"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_running_on_another_host() -> None:
    rule = JobRule.objects.get(name="test_works")
    Job.objects.create(rule=rule, rule_name=rule.name, start_datetime=rule.live_since, host="elsewhere")
    with pytest.raises(AlreadyRunning, match="already running since .* on elsewhere"):
        execute.execute(config.this_site(), "test_works")


def test_left_running_rows_of_this_host_are_lost() -> None:
    rule = JobRule.objects.get(name="test_works")
    here = {"rule_name": rule.name, "start_datetime": rule.live_since, "host": host.host_name()}
    before = Job.objects.create(rule=rule, boot_id="another", **here)
    reconcile(config.this_site())
    before.refresh_from_db()
    assert (before.status, before.reason) == ("lost", "the machine went down")
    crashed = Job.objects.create(rule=rule, boot_id=boot.boot_id(), **here)
    assert run("test_works")[0] == 0
    crashed.refresh_from_db()
    assert (crashed.status, crashed.reason) == ("lost", "its process is gone")


def test_environment_of_some_other_unit_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INVOCATION_ID", "f" * 32)
    monkeypatch.setenv("TRIGGER_UNIT", "linod-test_works.timer")
    monkeypatch.setenv("TRIGGER_TIMER_REALTIME_USEC", "1")
    _, job = run("test_works")
    assert (job.trigger, job.invocation_id) == ("manual", "")


def test_a_reason_is_a_text_that_every_database_takes() -> None:
    _, job = run("test_fails_with_a_nul")
    assert (job.status, job.reason) == ("failed", "ValueError: a\\x00b\\udc80")


def test_database_that_is_not_migrated_or_locked_is_explained() -> None:
    from django.db import connection

    from linod_systemd.store.database import explained

    site = config.this_site()
    with pytest.raises(ConfigurationError, match="is not migrated") as caught, explained(site):
        connection.cursor().execute("SELECT * FROM linod_nowhere")
    assert caught.value.remedy == "linod --site default manage migrate"
    connection.cursor().execute("PRAGMA busy_timeout=50")
    release, held = threading.Event(), threading.Event()
    holder = threading.Thread(target=_lock_database, args=(held, release))
    holder.start()
    try:
        assert held.wait(10)
        with pytest.raises(ConfigurationError, match="is locked by another process"), explained(site):
            JobRule.objects.update(timeout=5)
    finally:
        release.set()
        holder.join()
        connection.close()


def _lock_database(held: threading.Event, release: threading.Event) -> None:
    from django.db import connection, transaction

    with transaction.atomic():
        JobRule.objects.update(timeout=4)
        held.set()
        release.wait(10)
    connection.close()


class Closed(Warning):
    """A reason of the site's own to end early."""


@pytest.mark.parametrize("warning", [Warning("closed"), Closed("closed")])
def test_a_warning_that_is_raised_on_purpose_is_a_success(warning: Warning, registered: Registered) -> None:
    def ends_early(ar: Any) -> None:
        raise warning

    Tasks().create_rule(registered(ends_early, "test_ends_early"))
    code, job = run("test_ends_early")
    assert (code, job.status, job.reason) == (0, "success", "closed")


@pytest.mark.parametrize(
    "warning",
    [
        *[kind("x") for kind in blame.BUILT_IN],
        RemovedInNextVersionWarning("x"),
        NotOpenSSLWarning("x"),
    ],
    ids=lambda warning: type(warning).__name__,
)
def test_a_warning_of_python_or_a_library_is_a_failure(warning: Warning, registered: Registered) -> None:
    def meets_a_warning(ar: Any) -> None:
        raise warning

    Tasks().create_rule(registered(meets_a_warning, "test_meets_a_warning"))
    code, job = run("test_meets_a_warning")
    assert (code, job.status) == (1, "failed")
    assert "Traceback" in job.message and type(warning).__name__ in job.reason


def test_a_name_that_cannot_be_looked_up_now_is_no_fault_of_the_procedure(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asks(ar: Any) -> None:
        try:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        except OSError as error:
            raise ConnectionError("no shelf") from error

    Tasks().create_rule(registered(asks, "test_asks"))
    _, job = run("test_asks")
    assert job.reason == "the network is away: ConnectionError: no shelf"
    assert not JobRule.objects.get(name="test_asks").cancelled


@pytest.mark.parametrize("how", ["trigger", "constraint"])
def test_a_row_that_the_database_refuses_waits_in_the_spool(how: str, caplog: Any) -> None:
    """A trigger of the site's, or a column of a newer version: the run is not taken for another host's."""
    site, ran = config.this_site(), "working on test_works"
    refusal = (
        "SELECT RAISE(ABORT, 'newer')"
        if how == "trigger"
        else (
            "INSERT INTO linod_systemd_pause (rule_name, since, until, note, by) VALUES (NULL, 1, 1, '', '')"
        )
    )
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TRIGGER no_jobs BEFORE INSERT ON linod_systemd_job BEGIN {refusal}; END")
    try:
        assert execute.execute(site, "test_works") == 0
        assert "refuses a row" in caplog.text
        assert Job.objects.count() == 0 and len(spool.waiting(site)) == 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER no_jobs")
    assert reconcile(site)
    job = Job.objects.get()
    assert (job.status, spool.waiting(site)) == ("success", []) and ran in job.message


def _config(**root: Any) -> dict[str, Any]:
    return {"version": 1, "disable_existing_loggers": True, **({"root": root} if root else {})}


class Raises(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("no such collector")


def disables_loggers() -> None:
    logging.config.dictConfig(_config())


def configures_the_root() -> None:
    logging.config.dictConfig(
        {**_config(level="ERROR", handlers=["null"]), "handlers": {"null": {"class": "logging.NullHandler"}}}
    )


def begins_anew() -> None:
    logging.basicConfig(force=True, level=logging.WARNING)


def disables_all() -> None:
    logging.disable(logging.CRITICAL)


def clears_the_root() -> None:
    logging.getLogger().handlers.clear()


def does_not_propagate() -> None:
    for name in ("linod", "linod.job", "linod.execute"):
        logging.getLogger(name).propagate = False


def adds_a_handler_that_raises() -> None:
    logging.getLogger().addHandler(Raises())


def prints_all() -> None:
    logging.getLogger().addHandler(logging.StreamHandler())


@pytest.mark.parametrize(
    "change",
    [
        disables_loggers,
        configures_the_root,
        begins_anew,
        disables_all,
        clears_the_root,
        does_not_propagate,
        adds_a_handler_that_raises,
        prints_all,
    ],
)
def test_whatever_a_job_does_to_logging_its_records_are_written_once(
    change: Callable[[], None], registered: Registered, capfd: Any
) -> None:
    def changes_logging(ar: Any) -> None:
        ar.info("before it")
        change()
        ar.info("after it")
        raise ValueError("no such shelf")

    Tasks().create_rule(registered(changes_logging, "test_changes_logging"))
    site, (ours, root) = config.this_site(), (logging.getLogger("linod"), logging.getLogger())
    was = [(one.level, list(one.handlers), one.propagate) for one in (ours, root)]
    begun = len(site.log_file.read_text()) if site.log_file.exists() else 0
    try:
        _, job = run("test_changes_logging")
        written = site.log_file.read_text()[begun:]
        shown = capfd.readouterr().err
        for text in ("before it", "after it", "no such shelf"):
            assert text in job.message
        for text in ("before it", "after it", "ended: failed"):
            assert written.count(text) == 1, written
            assert shown.count(text) == 1, shown
        assert job.message.count("before it") == job.message.count("after it") == 1
        for one, (level, handlers, propagate) in zip((ours, root), was, strict=True):
            assert (one.level, one.handlers, one.propagate) == (level, handlers, propagate)
    finally:
        for logger in logging.root.manager.loggerDict.values():
            if isinstance(logger, logging.Logger):
                logger.disabled = False


def test_a_handler_of_the_sites_that_raises_is_told_once(registered: Registered, caplog: Any) -> None:
    handler = Raises()
    logging.getLogger().addHandler(handler)
    try:
        _, job = run("test_works")
    finally:
        logging.getLogger().removeHandler(handler)
    assert job.status == "success" and job.message.count("fails: RuntimeError: no such collector") == 1


@pytest.mark.parametrize("kind", ["fifo", "folder", "gone"])
def test_a_log_that_cannot_be_written_holds_nothing_up(kind: str, tmp_path: Path, capfd: Any) -> None:
    path = tmp_path / "logs/lino.log"
    if kind != "gone":
        path.parent.mkdir()
        os.mkfifo(path) if kind == "fifo" else path.mkdir()
    handler = LinoLogHandler(path, logging.Formatter("%(message)s"))
    for number in range(3):
        handler.handle(logging.LogRecord("x", logging.INFO, "", 0, f"record {number}", None, None))
    handler.close()
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"linod: {path} cannot be written (")
