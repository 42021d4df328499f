"""ar.progress(): a job says how far it is; it is seen while it runs, and kept when it has ended."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from linod_systemd.models import Job, JobRule
from linod_systemd.runner import execute
from linod_systemd.sites import config
from linod_systemd.store import progress
from tests.support.registration import Registered

pytestmark = pytest.mark.django_db(transaction=True)


def run(registered: Registered, procedure: Any) -> Job:
    registered(procedure, "counts")
    JobRule.objects.create(name="counts", procedure="counts", every_unit="never")
    execute.execute(config.this_site(), "counts")
    job: Job = Job.objects.get(rule_name="counts")
    return job


def test_it_is_in_the_row_while_the_job_runs_and_after(registered: Registered) -> None:
    seen = []

    def counts(ar: Any) -> None:
        ar.progress(1, 4, "mails")
        seen.append(Job.objects.get(pk=ar.job.pk).progress)
        ar.progress(3, 4, "mails\0\udc80")

    job = run(registered, counts)
    assert seen == ["1 of 4 (25 %): mails"]
    assert job.progress.startswith("3 of 4 (75 %): mails")


def test_a_million_calls_are_few_questions(registered: Registered) -> None:
    asked = []

    def counts(ar: Any) -> None:
        with CaptureQueriesContext(connection) as questions:
            for number in range(100_000):
                ar.progress(number)
        asked.append(len(questions))

    assert run(registered, counts).progress == "99999"
    assert asked[0] <= 5


def test_within_a_transaction_it_waits(registered: Registered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    asked: list[Any] = []

    def counts(ar: Any) -> None:
        with transaction.atomic(), CaptureQueriesContext(connection) as questions:
            ar.progress(1, 2)
        asked.append([one["sql"] for one in questions if "UPDATE" in one["sql"]])
        ar.progress(2, 2)
        asked.append(Job.objects.get(pk=ar.job.pk).progress)

    run(registered, counts)
    assert asked == [[], "2 of 2 (100 %)"]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), "many", None])
def test_what_is_no_number_is_the_fault_of_the_procedure(registered: Registered, wrong: Any) -> None:
    job = run(registered, lambda ar: ar.progress(wrong))
    assert job.status == "failed"
    assert job.reason.startswith(("ValueError: ", "TypeError: "))
