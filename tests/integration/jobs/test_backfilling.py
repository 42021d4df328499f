"""Past slots are run as a person asks: oldest first, each in a row of its own; the next run is skipped."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from linod_systemd import clock
from linod_systemd.jobs import backfilling, skipped
from linod_systemd.jobs.backfilling import BackfillError
from linod_systemd.jobs.skipped import SkipError
from linod_systemd.models import Backfill, Job, JobRule
from linod_systemd.runner import execute
from linod_systemd.sites import config
from linod_systemd.store import next_due
from linod_systemd.store.choices import Status, Trigger
from linod_systemd.store.rule_store import StoredRule
from linod_systemd.systemd import invocation
from linod_systemd.systemd.invocation import Invocation
from tests.support.registration import Registered

pytestmark = pytest.mark.django_db(transaction=True)
TODAY = clock.utc_now().replace(hour=0, minute=0, second=0, microsecond=0)


def midnight(days_ago: int) -> datetime:
    return TODAY - timedelta(days=days_ago)


broken: list[bool] = []  # not empty: the procedure fails


@pytest.fixture
def rule(registered: Registered) -> StoredRule:
    def tidy(ar: Any) -> None:
        ar.info("for %s", ar.job.slot)
        if broken:
            raise ValueError("no such shelf")

    registered(tidy)
    row = JobRule.objects.create(
        name="tidy", procedure="tidy", timezone="UTC", start_date=midnight(30).date(), start_time=time()
    )
    stored: StoredRule = row.stored()
    return stored


@pytest.fixture
def unit(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Job]:
    """Run the rule as systemd does when it was asked to; the latest job by number."""
    numbers = iter(range(100))

    def run() -> Job:
        by = Invocation(f"{next(numbers):032x}")
        monkeypatch.setattr(invocation, "current", lambda site, name: by)
        monkeypatch.setattr(invocation, "mark_ended", lambda site, name: None)
        execute.execute(config.this_site(), "tidy")
        latest: Job = Job.objects.latest("pk")
        return latest

    return run


def test_each_slot_has_its_run_oldest_first(rule: StoredRule, unit: Callable[[], Job]) -> None:
    slots = backfilling.ask(rule, midnight(3), midnight(1), by="anna")
    assert slots == [midnight(3), midnight(2), midnight(1)]
    ran = []
    while JobRule.objects.get(name="tidy").requested_at is not None:
        ran.append(unit())
    assert [job.slot for job in ran] == slots
    assert {(job.trigger, job.status, job.attempt) for job in ran} == {(Trigger.BACKFILL, Status.SUCCESS, 1)}
    assert [job.message for job in ran] == [f"for {slot}" for slot in slots]
    assert not Backfill.objects.exists()


def test_a_slot_that_has_run_is_refused_unless_forced(rule: StoredRule, unit: Callable[[], Job]) -> None:
    backfilling.ask(rule, midnight(2), midnight(2))
    unit()
    with pytest.raises(BackfillError, match=re.escape(f"for 1 of these 3 slots, first for {midnight(2)}")):
        backfilling.ask(rule, midnight(3), midnight(1))
    assert not Backfill.objects.exists(), "nothing is half done"
    backfilling.ask(rule, midnight(2), midnight(2), forced=True)
    again = unit()
    assert (again.slot, again.attempt, again.trigger) == (midnight(2), 2, Trigger.BACKFILL)


def test_a_skipped_slot_may_be_run_after_all(rule: StoredRule, unit: Callable[[], Job]) -> None:
    day = clock.to_database(midnight(2))
    Job.objects.create(
        rule_name="tidy", scheduled_for=clock.to_slot(midnight(2)), status=Status.SKIPPED, start_datetime=day
    )
    backfilling.ask(rule, midnight(2), midnight(2))
    assert (unit().attempt, Job.objects.filter(rule_name="tidy").count()) == (2, 2)


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        (midnight(3) + timedelta(hours=1), midnight(3) + timedelta(hours=2), "was not due from"),
        (midnight(3), midnight(-2), "is not past yet"),
        (midnight(1), midnight(3), "was not due from"),
    ],
)
def test_what_is_no_past_slot_is_refused(rule: StoredRule, begin: datetime, end: datetime, said: str) -> None:
    with pytest.raises(BackfillError, match=said):
        backfilling.ask(rule, begin, end)


def test_a_rule_that_counts_from_its_start_has_no_slots(rule: StoredRule) -> None:
    JobRule.objects.filter(name="tidy").update(every_unit="secondly", every=7)
    stored = JobRule.objects.get(name="tidy").stored()
    with pytest.raises(BackfillError, match="has no slots"):
        backfilling.ask(stored, midnight(3), midnight(1))
    with pytest.raises(SkipError, match="not known before"):
        skipped.skip_next(stored, "anna")


def test_a_failure_of_a_past_slot_cancels_nothing_and_the_others_go_on(
    rule: StoredRule, unit: Callable[[], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "broken", [True])
    backfilling.ask(rule, midnight(3), midnight(2))
    assert [unit().status, unit().status] == [Status.FAILED] * 2
    row = JobRule.objects.get(name="tidy")
    assert (row.cancelled, row.requested_at) == (False, None)


def test_what_was_lost_is_asked_for_again(rule: StoredRule) -> None:
    backfilling.ask(rule, midnight(3), midnight(2))
    JobRule.objects.filter(name="tidy").update(requested_at=None)
    backfilling.request_left(config.this_site())
    assert JobRule.objects.get(name="tidy").requested_at is not None
    JobRule.objects.all().delete()
    backfilling.request_left(config.this_site())
    assert not Backfill.objects.exists()


def test_a_skipped_run_has_its_row_and_the_one_after_it_is_next(rule: StoredRule) -> None:
    due = next_due.next_run(rule)
    assert due is not None
    assert skipped.skip_next(rule, "anna", "the fair") == due
    row = Job.objects.get(rule_name="tidy")
    assert (row.slot, row.status) == (due, Status.SKIPPED)
    assert row.reason == "skipped by anna: the fair"
    assert next_due.next_run(rule) == due + timedelta(days=1)
    assert skipped.skip_next(rule, "anna") == due + timedelta(days=1), "twice is two runs"
    JobRule.objects.filter(name="tidy").update(cancelled=True)
    with pytest.raises(SkipError, match="has no next run"):
        skipped.skip_next(JobRule.objects.get(name="tidy").stored(), "anna")


def test_its_timer_rings_and_nothing_runs(rule: StoredRule) -> None:
    JobRule.objects.filter(name="tidy").update(live_since=clock.to_database(midnight(20)))
    due = next_due.next_run(rule)
    assert due is not None
    skipped.skip_next(rule, "anna")
    execute.execute(config.this_site(), "tidy", elapsed=due.astimezone(UTC) + timedelta(seconds=1))
    assert [job.status for job in Job.objects.filter(rule_name="tidy")] == [Status.SKIPPED]
