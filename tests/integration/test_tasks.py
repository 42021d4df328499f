"""Tasks: rules are set up, cancelled, enabled, and run when they are due."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from linod_systemd import clock
from linod_systemd.common import host
from linod_systemd.models import Job, JobRule
from linod_systemd.procedures import Procedure, Procedures, Registry
from linod_systemd.rules import jitter, rules_file
from linod_systemd.runner.start import Start
from linod_systemd.sites import config
from linod_systemd.store import export, rule_store
from linod_systemd.store.choices import CancelledBy
from linod_systemd.systemd.invocation import ROUNDING
from linod_systemd.tasks import Tasks
from tests.support.registration import Registered

pytestmark = pytest.mark.django_db(transaction=True)

LINES = """\
Job rule #{} <Procedures.clear_too_old_job_history every 1 daily> next run at: ...
Job rule #{} <Procedures.event_notification_scheduler every 300 secondly> next run at: ...
Job rule #{} <Procedures.checksummaries every 1 daily> next run at: ...
Job rule #{} <Procedures.checkdata every 1 daily> next run at: ...
Job rule #{} <Procedures.send_pending_emails_often every 10 secondly> next run at: ...
Job rule #{} <Procedures.send_pending_emails_daily every 1 daily> next run at: ...
Job rule #{} <Procedures.clear_seen_messages every 1 daily> next run at: ..."""


def nothing(ar: Any) -> None:
    ar.info("nothing to do")


def registry(**intervals: tuple[str, int]) -> Registry:
    made = Registry()
    for name, (unit, value) in intervals.items():
        made.add(Procedure(name, nothing, unit, value))
    return made


def test_status_lines_are_those_of_lino() -> None:
    Tasks().setup()
    said = [re.sub(r"(next run at: ).*", r"\1...", line) for line in Tasks().status()]
    numbers = [rule.pk for rule in JobRule.objects.all()]
    assert "\n".join(said) == LINES.format(*numbers)
    assert numbers == list(range(numbers[0], numbers[0] + 7))


def test_setup_makes_stops_and_enables() -> None:
    Tasks(registry(one=("daily", 1), two=("secondly", 10), three=("daily", 1))).setup()
    two, three = JobRule.objects.get(name="two"), JobRule.objects.get(name="three")
    Job.objects.create(rule=JobRule.objects.get(name="one"), rule_name="one", start_datetime=two.live_since)
    Tasks().cancel_rule(two, CancelledBy.FAILURE)
    Tasks().cancel_rule(three)
    changes = Tasks(registry(two=("secondly", 10), three=("daily", 1), four=("weekly", 2))).setup()
    assert (changes.created, changes.vanished, changes.enabled) == (("four",), ("one",), ("two",))
    assert str(changes) == "made four; stopped, as the procedure is gone: one; enabled again two"
    assert {rule.name: rule.cancelled for rule in JobRule.objects.all()} == {
        "one": True,
        "two": False,
        "three": True,
        "four": False,
    }
    kept = Job.objects.started().get()  # ten seconds may have passed for "two" while it was cancelled
    assert kept.rule is not None and (kept.rule.name, kept.rule_name) == ("one", "one")
    assert str(Tasks(registry(two=("secondly", 10), three=("daily", 1), four=("weekly", 2))).setup()) == (
        "nothing to do"
    )


def test_a_rule_comes_back_with_its_procedure_and_its_edits() -> None:
    Tasks(registry(one=("daily", 1), two=("daily", 1))).setup()
    JobRule.objects.filter(name="one").update(timeout=77)
    Tasks().cancel_rule(JobRule.objects.get(name="two"))
    Tasks(registry()).setup()
    assert "its procedure is gone" in Tasks().status()[0] and "a person" in Tasks().status()[1]
    changes = Tasks(registry(one=("daily", 1), two=("daily", 1))).setup()
    assert (changes.created, changes.enabled) == ((), ("one",))
    one, two = JobRule.objects.get(name="one"), JobRule.objects.get(name="two")
    assert (one.cancelled, one.timeout, two.cancelled, two.cancelled_by) == (False, 77, True, "person")


def test_setup_leaves_what_a_person_edited() -> None:
    procedures = registry(one=("daily", 1))
    Tasks(procedures).setup()
    JobRule.objects.update(every_unit="weekly", name="renamed")
    assert str(Tasks(procedures).setup()) == "nothing to do"
    assert JobRule.objects.get().every_unit == "weekly"


def test_a_rule_that_nobody_edited_follows_the_code() -> None:
    Tasks(registry(one=("secondly", 10), two=("daily", 1))).setup()
    JobRule.objects.update(live_since=clock.now() - timedelta(days=1))
    changes = Tasks(registry(one=("secondly", 20), two=("daily", 1))).setup()
    assert str(changes) == "changed, as the code was: one (every is 10, the code says 20)"
    one = JobRule.objects.get(name="one")
    assert one.every == 20
    assert clock.from_database(one.live_since) > clock.utc_now() - timedelta(minutes=1), "edited now"
    assert str(Tasks(registry(one=("secondly", 20), two=("daily", 1))).setup()) == "nothing to do"


def test_a_rule_that_a_person_edited_stays_until_it_is_to_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    Tasks(registry(one=("secondly", 10))).setup()
    JobRule.objects.update(timeout=77)
    newer = registry(one=("secondly", 20))
    monkeypatch.setattr(Procedures, "_by_name", newer._by_name)
    said = "every is 10, the code says 20; timeout is 77, the code says 7200"
    for _ in range(2):
        assert str(Tasks().setup()) == f"edited by a person, and left as it is: one ({said})"
    assert JobRule.objects.get().every == 10
    assert rule_store.current().take_code("one") == said.split("; ")
    rule = JobRule.objects.get()
    assert (rule.every, rule.timeout) == (20, 7200)
    monkeypatch.setattr(Procedures, "_by_name", registry(one=("secondly", 30))._by_name)
    Tasks().setup()
    assert JobRule.objects.get().every == 30, "it follows again"


def test_a_reload_alone_brings_back_no_rule_that_a_failure_cancelled() -> None:
    procedures = registry(one=("daily", 1))
    Tasks(procedures).setup()
    Tasks().cancel_rule(JobRule.objects.get(), CancelledBy.FAILURE)
    assert str(Tasks(procedures).setup(revive=False)) == "still cancelled by a failure: one"
    assert JobRule.objects.get().cancelled
    assert str(Tasks(procedures).setup()) == "enabled again one"


def started(procedures: Registry) -> tuple[Tasks, list[str]]:
    names: list[str] = []

    def start(start: Start) -> None:
        names.append(start.rule.name)
        slot = clock.to_slot(start.due) if start.due else None
        begun = {"start_datetime": datetime.now(UTC), "scheduled_for": slot}
        Job.objects.create(rule_name=start.rule.name, status="success", **begun)

    tasks = Tasks(procedures, start=start)
    tasks.setup()
    return tasks, names


def test_run_starts_what_is_due_and_says_when_to_come_back() -> None:
    tasks, names = started(registry(often=("secondly", 10), daily=("daily", 1), never=("never", 1)))
    tasks.run()
    assert names == []
    tasks.since -= timedelta(seconds=60)
    JobRule.objects.update(live_since=datetime.now(UTC) - timedelta(seconds=30))
    back = tasks.run()
    assert "often" in names and "never" not in names
    # A timer may ring a little before its instant, so that the slot of the next half second may have its job.
    assert timedelta(0) < back - datetime.now(UTC) <= timedelta(seconds=10) + ROUNDING


def test_what_was_missed_is_made_up_for_once_and_only_from_a_day_on() -> None:
    tasks, names = started(registry(often=("secondly", 10), daily=("daily", 1)))
    JobRule.objects.update(start_date=date(2026, 1, 1), live_since=datetime.now(UTC) - timedelta(days=3))
    tasks.run()
    assert names == ["daily"]
    tasks.run()
    assert names == ["daily"]


def test_enabling_does_not_fire_for_the_past() -> None:
    tasks, names = started(registry(daily=("daily", 1)))
    JobRule.objects.update(live_since=datetime.now(UTC) - timedelta(days=3))
    rule = JobRule.objects.get()
    tasks.cancel_rule(rule)
    JobRule.objects.filter(pk=rule.pk).enable()
    tasks.run()
    assert names == []


def test_what_was_asked_for_is_started() -> None:
    tasks, names = started(registry(never=("never", 1)))
    JobRule.objects.filter(name="never").request()
    tasks.run()
    assert names == ["never"]


def test_run_runs_here_by_default(registered: Registered) -> None:
    Tasks().create_rule(registered(nothing, "test_here"))
    JobRule.objects.filter(name="test_here").request()
    Tasks().run()
    job = Job.objects.get(rule_name="test_here")
    assert (job.status, job.trigger, job.message) == ("success", "manual", "nothing to do")
    assert JobRule.objects.get(name="test_here").requested_at is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("every", 0),
        ("timezone", "Mars/Olympus"),
        ("positions", "1"),
        ("end_date", date(2000, 1, 1)),
        ("every_unit", "x"),
        ("end_time", time(4)),
        ("start_date", date(1500, 1, 1)),
        ("start_date", "yesterday"),
        ("start_date", None),
        ("max_events", 0),
        ("max_events", "many"),
        ("log_level", "LOUD"),
        ("timeout", 0),
        ("jitter", 90000),
        ("run_after", ["x"]),
        ("run_after", [1]),
        ("run_after", {"x": 1}),
        ("name", "/"),
    ],
)
def test_what_is_impossible_is_an_error_of_its_field(field: str, value: Any) -> None:
    fields = {"name": "x", "procedure": "checkdata", "start_date": date(2026, 1, 1), field: value}
    with pytest.raises(ValidationError) as caught:
        JobRule(**fields).full_clean()
    assert list(caught.value.message_dict) == [field]
    assert caught.value.message_dict[field][0]


def test_weekdays_on_which_it_is_never_due_are_an_error_of_the_first() -> None:
    rule = JobRule(name="x", procedure="checkdata", every_unit="hourly", every=168, monday=True)
    rule.start_date = date(2026, 1, 1)  # a Thursday, like every one of its instants
    with pytest.raises(ValidationError) as caught:
        rule.full_clean()
    assert caught.value.message_dict == {"monday": ["with this the rule is never due"]}


def test_status_tells_what_ended_from_what_is_never_due() -> None:
    made = Registry()
    made.add(Procedure("past", nothing, "daily", 1, defaults={"end_date": date(2020, 1, 1)}))
    made.add(Procedure("five", nothing, "daily", 1, datetime(2020, 1, 1), defaults={"max_events": 5}))
    made.add(Procedure("once", nothing, "once", 1, datetime(2020, 1, 1)))
    made.add(Procedure("by_hand", nothing, "never", 1))
    made.add(Procedure("broken", nothing, "daily", 1))
    tasks = Tasks(made)
    tasks.setup()
    past, five = JobRule.objects.get(name="past"), JobRule.objects.get(name="five")
    assert (past.end_date, five.max_events) == (date(2020, 1, 1), 5)
    JobRule.objects.filter(name="broken").update(every=0)
    ends = [line.partition("> ")[2] for line in tasks.status()]
    assert ends[:4] == ["ended", "ended", "ended", "never due"]
    assert ends[4].startswith("impossible: every: 0")


def test_jitter_delays_every_answer_of_a_rule() -> None:
    made = Registry()
    made.add(Procedure("first", nothing, "daily", 1, defaults={"jitter": 3600}))
    made.add(Procedure("second", nothing, "daily", 1, run_after=("first",)))
    Tasks(made).setup()
    first, second = (JobRule.objects.get(name=name).stored() for name in ("first", "second"))
    site = config.this_site()
    assert first.recurrence().delay == jitter.offset(site.name, "first", host.host_name(), 3600)
    assert second.recurrence() == first.recurrence()
    rules = rules_file.parse(export.wanted_text(site))
    assert [rules.recurrence(rule) for rule in rules.rules] == [first.recurrence(), second.recurrence()]
