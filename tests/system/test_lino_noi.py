"""Lino Noi with its demo data, as people run it: its tasks do their work on its database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import recurrence_oracle as oracle
from tests.support.in_machine import active_timers, await_supervisor, jobs, show
from tests.support.lino_machine import add_noi, in_site, install_site, task
from tests.support.machine import Machine, Workshop

# Lino's packages are the same on both Debians, and take their time.
pytestmark = [
    pytest.mark.long,
    pytest.mark.parametrize("base", ["debian12"], indirect=True, scope="session"),
]

INVOICING = "run_invoicing_tasks-invoicing.task-1"  # its class_name is invoicing.Task
TASKS = """
from lino.core.utils import models_by_base
from lino.modlib.linod.mixins import Runnable
rows = [row for model in models_by_base(Runnable) for row in model.objects.all()]
print(sorted(f"{row._meta.label}:{row.pk}" for row in rows))
"""
MIRRORS = """
print(sorted(rt.models.linod_systemd.JobRule.objects.exclude(mirrors="").values_list("mirrors", flat=True)))
"""
TO_DO = """
from datetime import timedelta
from lino.modlib.checkdata.choicelists import Checkers
Message, Problem = rt.models.notify.Message, rt.models.checkdata.Message
old = Message.objects.first()
Message.objects.filter(pk=old.pk).update(created=dd.now() - timedelta(days=99), seen=dd.now())
robin = rt.models.users.User.objects.get(username="robin")
checker = next(c for c in Checkers.get_list_items() if type(robin) in c.get_checkable_models())
Problem(checker=checker, owner=robin, user=robin, message="solved since").save()
rt.models.working.UserSummary.objects.all().delete()
"""
LEFT = """
print(rt.models.notify.Message.objects.filter(seen__isnull=False).count())
print(rt.models.checkdata.Message.objects.filter(message="solved since").count())
print(rt.models.working.UserSummary.objects.count())
"""
NOTIFY = """
from lino.modlib.notify.choicelists import MailModes, MessageTypes
robin = rt.models.users.User.objects.get(username="robin")
robin.email = "robin@localhost"  # Lino sends none to example.com
robin.save()
rt.models.notify.Message.objects.filter(sent=None).update(sent=dd.now())  # several become one mail
rt.models.notify.Message(
    user=robin, owner=robin, body="<p>b</p>", created=dd.now(), message_type=MessageTypes.system,
    mail_mode=MailModes.often, subject="number {number}",
).save()
"""


@pytest.fixture(scope="session")
def with_noi(workshop: Workshop, base: Path, installed: str, with_lino: str) -> str:
    """The layer with the demo data of Noi, which take two minutes."""
    with Machine(workshop, base, [installed, with_lino]) as machine:
        add_noi(machine)
        return machine.snapshot()


@pytest.fixture
def noi(workshop: Workshop, base: Path, installed: str, with_lino: str, with_noi: str) -> Iterator[Machine]:
    with Machine(workshop, base, [installed, with_lino, with_noi], network=False) as machine:
        await_supervisor(machine, "default")
        install_site(machine, "noi", "noi.settings")
        yield machine


def test_every_task_has_a_timer_at_its_true_time(noi: Machine) -> None:
    mirrored = in_site(noi, MIRRORS, "noi")
    assert in_site(noi, TASKS, "noi") == mirrored != "[]"
    found = json.loads(noi.read("/var/lib/linod/noi/rules.json"))["rules"]
    assert {"invoicing.Task", "linod.SystemTask"} <= {
        entry.split(":")[0] for entry in re.findall(r"[\w.]+:\d+", mirrored)
    }
    live = {rule["name"]: rule for rule in found if not rule["cancelled"] and rule["every_unit"] != "never"}
    units = {name: f"linod-noi-{noi.run('systemd-escape', name).stdout.strip()}" for name in live}
    assert set(units.values()) <= active_timers(noi)
    compared = 0
    for name, rule in live.items():
        if rule["every_unit"] in oracle.PERIODS:
            continue  # a test of its own looks at these as they tick
        now = datetime.now(UTC)
        expected, _ = oracle.series(_fields(rule), now, now + timedelta(days=40), 1)
        shown = show(noi, f"{units[name]}.timer", "NextElapseUSecRealtime").split()
        assert f"{shown[1]}T{shown[2]}+00:00" == expected[0].isoformat(), name
        compared += 1
    assert compared >= 8


def _fields(rule: dict[str, Any]) -> dict[str, Any]:
    """A rule of rules.json as the oracle reads it."""
    at = rule.get("start_time")
    end = rule.get("end_date")
    return rule | {
        "timezone": rule.get("timezone") or "UTC",
        "start_date": date.fromisoformat(rule["start_date"]),
        "start_time": time.fromisoformat(at) if at else None,
        "end_date": date.fromisoformat(end) if end else None,
    }


def test_procedures_do_their_work(noi: Machine) -> None:
    # Prepared by Lino's own loop, which leaves out those that say during_initdb=False.
    assert task(noi, "checkdata", "noi")["last_start_time"]
    assert not task(noi, "send_pending_emails_daily", "noi")["last_start_time"]
    in_site(noi, TO_DO, "noi")
    assert in_site(noi, LEFT, "noi").split() == ["1", "1", "0"]
    for rule in ("clear_seen_messages", "checkdata", "checksummaries", INVOICING):
        assert noi.run("linod-run", "--site", "noi", rule, timeout=300).returncode == 0
    seen, problems, summaries = in_site(noi, LEFT, "noi").split()
    assert (seen, problems) == ("0", "0") and int(summaries) > 100
    done = {job["rule"]: job for job in jobs(noi, site="noi") if job["trigger"] == "manual"}
    assert "Remove 1 (seen) notification" in done["clear_seen_messages"]["message"]
    assert "have been run. Found" in done["checkdata"]["message"]
    assert done[INVOICING]["status"] == "success"


def test_a_minute_of_mails(noi: Machine) -> None:
    """Every ten seconds to the second, warm; each notification is mailed once."""
    noi.sh(
        "systemd-run --quiet --unit mail python3 -W ignore -u -m smtpd -n -c DebuggingServer localhost:2525"
    )
    noi.poll(lambda: any(job["warm"] for job in _ticks(noi)), 60, "the first that is not cold")
    begin = datetime.now(UTC)
    for number in range(4):
        in_site(noi, NOTIFY.format(number=number), "noi")
        noi.poll(partial(_is_mailed, noi, number), 60, "the mail")
    minute = noi.poll(lambda: _ticks(noi, begin)[6:] and _ticks(noi, begin), 90, "a minute of ticks")
    due = [datetime.fromisoformat(job["scheduled_for"]) for job in minute]
    assert {after - before for before, after in pairwise(due)} == {timedelta(seconds=10)}
    assert all(job["warm"] and job["status"] == "success" for job in minute)
    assert _mails(noi) == ["number 0", "number 1", "number 2", "number 3"]


def _ticks(machine: Machine, begin: datetime | None = None) -> list[dict[str, Any]]:
    """The jobs that have ended of the rule that is due every ten seconds, oldest first."""
    found = [job for job in jobs(machine, "send_pending_emails_often", "noi")[::-1] if job["end_datetime"]]
    return [
        job for job in found if begin is None or datetime.fromisoformat(str(job["scheduled_for"])) > begin
    ]


def _is_mailed(machine: Machine, number: int) -> bool:
    return f"number {number}" in _mails(machine)


def _mails(machine: Machine) -> list[str]:
    """What of the subjects tells those apart that the server got."""
    return re.findall(r"Subject: .*(number \d)", machine.sh("journalctl -u mail -o cat"))
