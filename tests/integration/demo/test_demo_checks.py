"""checksummaries and checkdata of the demo site, on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from linod_systemd.demo import checkers
from linod_systemd.demo.models import Event, MailMode, Problem, Summary, User
from linod_systemd.models import Job, JobRule
from linod_systemd.store.choices import Status
from linod_systemd.tasks import Tasks
from tests.integration.conftest import Run
from tests.support.demo_rows import UNUSABLE, event, user

pytestmark = pytest.mark.django_db


def day(ago: int) -> date:
    return timezone.localdate() - timedelta(days=ago)


def job(rule: str, ago: int, seconds: float = 1, status: Status = Status.SUCCESS) -> Job:
    """A job that ran at noon, so many days ago."""
    start = timezone.make_aware(datetime.combine(day(ago), time(12)))
    made: Job = Job.objects.create(
        rule=JobRule.objects.filter(name=rule).first(),
        rule_name=rule,
        start_datetime=start,
        end_datetime=start + timedelta(seconds=seconds),
        status=status,
    )
    return made


def summary(rule: str, ago: int, runs: int = 5) -> Summary:
    return Summary.objects.create(rule_name=rule, day=day(ago), runs=runs, failures=0, seconds=runs)


def summaries(rule: str) -> dict[int, tuple[int, int, float]]:
    """Runs, failures and seconds by days ago."""
    rows = Summary.objects.filter(rule_name=rule)
    return {(day(0) - row.day).days: (row.runs, row.failures, row.seconds) for row in rows}


# checksummaries


def test_summaries_are_made_and_corrected(run: Run) -> None:
    job("checkdata", 3, 10)
    job("checkdata", 3, 5, Status.FAILED)
    job("checkdata", 2, 7, Status.TIMEOUT)
    job("checkdata", 2, 0, Status.SKIPPED)
    run("checksummaries")
    assert summaries("checkdata") == {3: (2, 1, 15.0), 2: (1, 1, 7.0)}
    Summary.objects.filter(day=day(2)).update(runs=99, seconds=0)
    run("checksummaries")
    assert summaries("checkdata") == {3: (2, 1, 15.0), 2: (1, 1, 7.0)}


def test_the_first_day_grows_with_its_jobs(run: Run) -> None:
    job("checkdata", 1)
    run("checksummaries")
    job("checkdata", 1)
    run("checksummaries")
    assert summaries("checkdata") == {1: (2, 0, 2.0)}


def test_a_summary_without_jobs_is_removed(run: Run) -> None:
    job("checkdata", 5)
    job("checkdata", 1)
    summary("checkdata", 3)
    summary("no_such_rule", 3)
    run("checksummaries")
    assert summaries("checkdata") == {5: (1, 0, 1.0), 1: (1, 0, 1.0)}
    assert summaries("no_such_rule") == {}


@override_settings(LINOD_HISTORY_DAYS=30, LINOD_HISTORY_LEAST=1)
def test_the_clearing_of_the_history_leaves_the_summaries(run: Run) -> None:
    Tasks().setup()
    for ago in (200, 100, 60, 31, 30, 29, 2):
        job("checkdata", ago)
        job("checkdata", ago)
    job("clear_seen_messages", 150)  # cancelled since: its last job stays
    with override_settings(LINOD_HISTORY_DAYS=365):
        run("checksummaries")
    before = {name: summaries(name) for name in ("checkdata", "clear_seen_messages")}
    run("clear_too_old_job_history")
    assert not Job.objects.filter(rule_name="checkdata", start_datetime__date=day(60)).exists()
    run("checksummaries")
    assert {name: summaries(name) for name in before} == before


def test_the_last_few_runs_of_a_rule_and_its_last_failure_stay(run: Run) -> None:
    Tasks().setup()
    for ago in (300, 290, 280, 270, 260, 250):
        job("checkdata", ago, status=Status.FAILED if ago == 290 else Status.SUCCESS)
    with override_settings(LINOD_HISTORY_LEAST=3):
        run("clear_too_old_job_history")
    left = Job.objects.filter(rule_name="checkdata").order_by("-start_datetime")
    assert [one.start_datetime.date() for one in left] == [day(ago) for ago in (250, 260, 270, 290)]


def test_a_history_that_is_now_kept_longer_leaves_the_summaries(run: Run) -> None:
    Tasks().setup()
    for ago in (60, 20, 2):
        job("checkdata", ago)
    run("checksummaries")
    with override_settings(LINOD_HISTORY_DAYS=30, LINOD_HISTORY_LEAST=1):
        run("clear_too_old_job_history")
    before = summaries("checkdata")
    assert 60 in before
    run("checksummaries")
    assert summaries("checkdata") == before


# checkdata


def test_a_problem_appears_and_vanishes(run: Run) -> None:
    anna = user("anna", mode="pigeon")
    run("checkdata")
    problem = Problem.objects.get()
    assert (problem.row, problem.checker) == (anna, "full_clean")
    assert problem.message == "mail_mode: Value 'pigeon' is not a valid choice."
    run("checkdata")
    assert Problem.objects.get().pk == problem.pk
    User.objects.update(mail_mode=MailMode.DAILY)
    run("checkdata")
    assert not Problem.objects.exists()


def test_registered_checkers_run(run: Run) -> None:
    event(30, title="Alone")
    user("anna", email="")
    run("checkdata")
    assert sorted(Problem.objects.values_list("checker", "message")) == [
        ("event_has_attendees", "nobody attends Alone"),
        ("mail_needs_an_address", "anna wants mail (often) and has no address"),
    ]


def test_the_problem_of_a_row_that_is_gone_is_gone(run: Run) -> None:
    anna = user("anna", mode="pigeon")
    run("checkdata")
    anna.delete()
    run("checkdata")
    assert not Problem.objects.exists()


def test_the_problems_of_a_model_that_is_gone_are_gone(run: Run) -> None:
    gone = ContentType.objects.create(app_label="linod_demo", model="was_here_once")
    Problem.objects.create(checker="full_clean", content_type=gone, object_id="1", message="bad")
    run("checkdata")
    assert not Problem.objects.exists()


def test_many_rows_are_all_checked(run: Run) -> None:
    User.objects.bulk_create(
        User(username=f"user{number}", email="x@example.org", mail_mode="pigeon", password=UNUSABLE)
        for number in range(1200)
    )
    run("checkdata")
    assert Problem.objects.count() == 1200


def test_a_row_that_cannot_be_read_is_a_problem_and_hides_no_other(run: Run) -> None:
    people = [user(name) for name in ("anna", "ben", "carl")]
    with connection.cursor() as cursor:  # as a script that writes SQL can leave it
        cursor.execute(
            "UPDATE linod_demo_user SET date_joined = '2026-99-99 00:00:00' WHERE username = 'ben'"
        )
    User.objects.filter(username="carl").update(mail_mode="pigeon")
    run("checkdata")
    found = dict(Problem.objects.values_list("object_id", "message"))
    assert set(found) == {str(people[1].pk), str(people[2].pk)}
    assert "cannot be read" in found[str(people[1].pk)]


@pytest.fixture
def broken_checker() -> Iterator[None]:
    def stumbles(row: Event) -> Iterator[str]:
        raise ZeroDivisionError("no such luck")

    checkers.checker(Event)(stumbles)
    try:
        yield
    finally:
        checkers._checkers.remove((Event, stumbles))


def test_a_checker_that_stumbles_hides_no_other_problem(run: Run, broken_checker: None) -> None:
    event(30, title="Alone")
    user("anna", mode="pigeon")
    run("checkdata")
    found = dict(Problem.objects.values_list("checker", "message"))
    assert set(found) == {"stumbles", "event_has_attendees", "full_clean"}
    assert "ZeroDivisionError: no such luck" in found["stumbles"]
