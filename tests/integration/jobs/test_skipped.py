"""What was due and did not run has a row, with its reason; once."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest

from linod_systemd import clock
from linod_systemd.jobs import rows, skipped
from linod_systemd.models import Job, JobRule
from linod_systemd.runner import execute
from linod_systemd.runner.start import Start
from linod_systemd.sites import config
from linod_systemd.store.choices import CancelledBy
from linod_systemd.supervisor.chores import look_back
from linod_systemd.systemd import boot
from linod_systemd.systemd.invocation import Invocation

pytestmark = pytest.mark.django_db(transaction=True)

NOW: datetime
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def now() -> None:
    """The middle of this minute, for each test anew: a long run would make that of its beginning the past."""
    global NOW
    NOW = datetime.now(UTC).replace(second=30, microsecond=0)


@pytest.fixture
def rule() -> JobRule:
    """Due at each full minute; live for an hour."""
    made: JobRule = JobRule.objects.create(
        name="minutes", procedure="checkdata", every_unit="minutely", start_date=date(2026, 1, 1)
    )
    _live_since(made, NOW - HOUR)
    return made


def _live_since(rule: JobRule, instant: datetime) -> None:
    JobRule.objects.filter(pk=rule.pk).update(live_since=clock.to_database(instant))
    rule.refresh_from_db()


def job(rule: JobRule, start: datetime, seconds: float) -> Job:
    """A job that a timer started at its instant, to the minute."""
    made: Job = Job.objects.create(
        rule=rule,
        rule_name=rule.name,
        start_datetime=clock.to_database(start),
        end_datetime=clock.to_database(start + timedelta(seconds=seconds)),
        scheduled_for=clock.to_slot(start.replace(second=0, microsecond=0)),
        status="success",
    )
    return made


def reasons() -> list[str]:
    return [job.reason for job in Job.objects.filter(status="skipped").order_by("pk")]


def at(minute: datetime) -> str:
    return minute.replace(second=0, microsecond=0).isoformat(" ", "seconds")


def test_nothing_missed_leaves_no_row(rule: JobRule) -> None:
    job(rule, NOW - timedelta(minutes=1), 1)
    skipped.note(rule.stored(), NOW.replace(second=0) - timedelta(microseconds=1))
    assert reasons() == []


def test_the_previous_run_took_longer_and_then_the_timer_was_stopped(
    rule: JobRule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boot, "booted_at", lambda: NOW - timedelta(minutes=7))
    busy = job(rule, NOW - timedelta(minutes=20), 140)
    skipped.note(rule.stored(), NOW - timedelta(minutes=3))
    assert reasons() == [
        f"2 runs, due from {at(NOW - timedelta(minutes=19))} to {at(NOW - timedelta(minutes=18))}: "
        f"job #{busy.pk} was still running",
        f"11 runs, due from {at(NOW - timedelta(minutes=17))} to {at(NOW - timedelta(minutes=7))}: "
        "the host was off, or its timer not running",
        f"4 runs, due from {at(NOW - timedelta(minutes=6))} to {at(NOW - timedelta(minutes=3))}: "
        "its timer was not running",
    ]
    skipped.note(rule.stored(), NOW - timedelta(minutes=3))
    assert len(reasons()) == 3


def test_a_job_that_began_later_is_not_to_blame(rule: JobRule, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the occurrence that was passed over and its start, the cause is the one of that time."""
    monkeypatch.setattr(boot, "booted_at", lambda: NOW - HOUR)
    job(rule, NOW - timedelta(minutes=20), 1)
    manual = job(rule, NOW - timedelta(minutes=15), 100)
    Job.objects.filter(pk=manual.pk).update(scheduled_for=None, trigger="manual")
    skipped.note(rule.stored(), NOW - timedelta(minutes=10))
    assert reasons() == [
        f"5 runs, due from {at(NOW - timedelta(minutes=19))} to {at(NOW - timedelta(minutes=15))}: "
        "its timer was not running",
        f"2 runs, due from {at(NOW - timedelta(minutes=14))} to {at(NOW - timedelta(minutes=13))}: "
        f"job #{manual.pk} was still running",
        f"3 runs, due from {at(NOW - timedelta(minutes=12))} to {at(NOW - timedelta(minutes=10))}: "
        "its timer was not running",
    ]


def test_before_it_was_live_nothing_was_missed(rule: JobRule) -> None:
    _live_since(rule, NOW)
    skipped.note(rule.stored(), NOW)
    assert reasons() == []


def test_until_a_new_rule_reaches_its_timer_nothing_was_missed(rule: JobRule) -> None:
    _live_since(rule, NOW.replace(second=0) - timedelta(seconds=5))
    skipped.note(rule.stored(), NOW)
    assert reasons() == []


def test_enabling_tells_what_was_not_run_while_cancelled(rule: JobRule) -> None:
    job(rule, NOW - timedelta(minutes=5), 1)
    JobRule.objects.filter(pk=rule.pk).cancel(CancelledBy.PERSON)
    assert JobRule.objects.get(pk=rule.pk).cancelled_at is not None
    JobRule.objects.filter(pk=rule.pk).update(cancelled_at=clock.to_database(NOW - timedelta(minutes=5)))
    JobRule.objects.filter(pk=rule.pk).enable()
    (reason,) = reasons()
    assert reason.partition(" ")[2].startswith(f"runs, due from {at(NOW - timedelta(minutes=4))} to ")
    assert reason.endswith("the rule was not live: cancelled by a person")
    assert JobRule.objects.get(pk=rule.pk).cancelled_at is None


def test_enabling_in_the_form_tells_it_too(rule: JobRule) -> None:
    rule.cancelled = True
    rule.save()
    assert rule.cancelled_at is not None
    JobRule.objects.filter(pk=rule.pk).update(
        cancelled_at=clock.to_database(NOW - HOUR), live_since=clock.to_database(NOW - HOUR)
    )
    rule.refresh_from_db()
    rule.cancelled = False
    rule.save()
    assert len(reasons()) == 1
    assert "cancelled by a person" in reasons()[0]
    assert rule.cancelled_at is None


def test_a_started_timer_job_looks_back(rule: JobRule) -> None:
    job(rule, NOW - timedelta(minutes=3), 70)
    execute.begin(config.this_site(), Start.of(rule.stored(), Invocation("0" * 32, NOW.replace(second=0))))
    busy = Job.objects.order_by("pk")[0]
    assert reasons()[0].endswith(f"job #{busy.pk} was still running")
    assert "timer" in reasons()[1]
    assert len(reasons()) == 2


def test_the_supervisor_looks_back_for_rules_that_make_up_for_nothing(rule: JobRule) -> None:
    makes_up = JobRule.objects.create(
        name="days", procedure="checkdata", every_unit="daily", start_date=date(2026, 1, 1)
    )
    _live_since(makes_up, NOW - timedelta(days=3))
    look_back(config.this_site())
    look_back(config.this_site())
    assert set(Job.objects.filter(status="skipped").values_list("rule_name", flat=True)) == {"minutes"}
    assert "timer" in reasons()[0]


def test_many_are_not_counted_to_the_end(rule: JobRule) -> None:
    JobRule.objects.filter(pk=rule.pk).update(every_unit="secondly")
    _live_since(rule, NOW - timedelta(days=300))
    skipped.note(rule.stored(), NOW)
    assert reasons()[0].startswith("more than 10000 runs, due from")


def test_a_period_that_divides_no_day_misses_nothing(rule: JobRule) -> None:
    JobRule.objects.filter(pk=rule.pk).update(every=7)
    rule.refresh_from_db()
    skipped.note(rule.stored(), NOW)
    assert reasons() == []


def rings(rule: JobRule, instant: datetime) -> bool:
    return execute._is_to_run(config.this_site(), Start.of(rule.stored(), Invocation("0" * 32, instant)))


def test_a_timer_that_waited_for_the_previous_run_starts_nothing_for_the_past(rule: JobRule) -> None:
    busy = job(rule, NOW - timedelta(minutes=3), 100)
    late = NOW - timedelta(minutes=1, seconds=20)
    assert not rings(rule, late)
    assert [reason.rpartition(": ")[2] for reason in reasons()] == [f"job #{busy.pk} was still running"]
    JobRule.objects.filter(pk=rule.pk).update(catch_up=True)
    rule.refresh_from_db()
    assert not rings(rule, late)
    assert len(reasons()) == 1


def test_a_slot_is_run_once(rule: JobRule) -> None:
    minute = NOW.replace(second=0)
    assert rings(rule, minute)
    job(rule, minute, 1)
    assert not rings(rule, minute + timedelta(seconds=20))
    assert reasons() == []


def test_two_hosts_that_begin_the_same_slot_run_it_once(rule: JobRule) -> None:
    start = Start.of(rule.stored(), Invocation("0" * 32, NOW))
    job(rule, NOW, 1)
    with pytest.raises(rows.SlotTaken):
        execute.begin(config.this_site(), start)
    assert Job.objects.count() == 1


def test_a_cancelled_rule_is_not_run_by_its_timer(rule: JobRule) -> None:
    JobRule.objects.filter(pk=rule.pk).cancel(CancelledBy.PERSON)
    rule.refresh_from_db()
    assert not rings(rule, NOW)
    assert Job.objects.count() == 0


def test_what_was_due_before_an_edit_is_past(rule: JobRule) -> None:
    rule.start_time = time(0, 0, 20)
    rule.save()
    assert not rings(rule, clock.utc_now())
    assert Job.objects.count() == 0
