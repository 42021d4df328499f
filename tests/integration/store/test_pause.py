"""A pause of a rule, and of the whole site: it ends by itself, without catching up."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from linod_systemd import clock
from linod_systemd.jobs import skipped
from linod_systemd.models import Job, JobRule, Pause
from linod_systemd.runner import execute
from linod_systemd.runner.start import Start
from linod_systemd.sites import config
from linod_systemd.store import export, pause, pausing, rule_store
from linod_systemd.store.next_due import next_run
from linod_systemd.systemd.invocation import Invocation
from linod_systemd.tasks import Tasks

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.now(UTC).replace(second=30, microsecond=0)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def rule() -> JobRule:
    """Due at each full minute; live for a day."""
    made: JobRule = JobRule.objects.create(
        name="minutes", procedure="checkdata", every_unit="minutely", start_date=date(2026, 1, 1)
    )
    JobRule.objects.filter(pk=made.pk).update(live_since=clock.to_database(NOW - 24 * HOUR))
    made.refresh_from_db()
    return made


def held(rule: str, since: datetime, until: datetime) -> Pause:
    made: Pause = Pause.objects.create(
        rule_name=rule, since=clock.to_database(since), until=clock.to_database(until), note="the move"
    )
    return made


def rings(rule: JobRule, instant: datetime) -> bool:
    return execute._is_to_run(config.this_site(), Start.of(rule.stored(), Invocation("0" * 32, instant)))


def exported() -> dict[str, str | None]:
    text = config.this_site().rules_file.read_text()
    return {entry["name"]: entry["paused_until"] for entry in json.loads(text)["rules"]}


def test_rules_json_says_until_when(rule: JobRule) -> None:
    JobRule.objects.create(name="other", procedure="checkdata", start_date=date(2026, 1, 1))
    until = NOW + HOUR
    rule_store.current().pause(rule.name, until)
    assert exported() == {"minutes": until.isoformat(), "other": None}
    rule_store.current().pause(pause.WHOLE_SITE, until + HOUR)
    assert exported() == dict.fromkeys(["minutes", "other"], (until + HOUR).isoformat())
    assert rule_store.current().resume(pause.WHOLE_SITE)
    assert exported() == {"minutes": until.isoformat(), "other": None}
    assert rule_store.current().resume(rule.name)
    assert not rule_store.current().resume(rule.name)
    assert exported() == {"minutes": None, "other": None}


def test_end_that_is_past_is_refused(rule: JobRule) -> None:
    with pytest.raises(pausing.PauseError, match="is past"):
        rule_store.current().pause(rule.name, clock.utc_now() - MINUTE)
    assert not Pause.objects.exists()


@pytest.mark.parametrize("whole_site", [False, True])
def test_a_timer_that_rings_in_a_pause_starts_nothing(rule: JobRule, whole_site: bool) -> None:
    assert rings(rule, NOW)
    held(pause.WHOLE_SITE if whole_site else rule.name, NOW - 5 * MINUTE, NOW + 5 * MINUTE)
    assert not rings(rule, NOW)


def test_nothing_is_made_up_for_after_it(rule: JobRule) -> None:
    JobRule.objects.filter(pk=rule.pk).update(every_unit="hourly", catch_up=True)
    rule.refresh_from_db()
    JobRule.objects.filter(pk=rule.pk).update(live_since=clock.to_database(NOW - 24 * HOUR))
    rule.refresh_from_db()
    hour = NOW.replace(minute=0, second=0)
    held(rule.name, hour - 3 * HOUR, hour + timedelta(seconds=1))
    assert not rings(rule, hour + 2 * timedelta(seconds=1))
    assert not rings(rule, hour + 20 * MINUTE)
    row = Job.objects.filter(status="skipped").first()
    assert row is not None and "paused until" in row.reason and "the move" in row.reason


def test_what_a_pause_left_out_is_one_row(rule: JobRule) -> None:
    held(rule.name, NOW - 40 * MINUTE, NOW - 10 * MINUTE)
    Job.objects.create(
        rule=rule,
        rule_name=rule.name,
        start_datetime=clock.to_database(NOW - 41 * MINUTE),
        end_datetime=clock.to_database(NOW - 41 * MINUTE),
        scheduled_for=clock.to_slot((NOW - 40 * MINUTE).replace(second=0)),
        status="success",
    )
    skipped.note(rule.stored(), NOW - 10 * MINUTE)
    (row,) = Job.objects.filter(status="skipped")
    assert row.reason.startswith("30 runs, due from")
    assert "it was paused until" in row.reason


def test_status_and_the_daemon_in_the_foreground_know_it(rule: JobRule) -> None:
    until = NOW + HOUR
    rule_store.current().pause(rule.name, until)
    (line,) = Tasks().status()
    assert "paused until" in line
    due = next_run(rule.stored())
    assert due is not None and until <= due < until + MINUTE
    started: list[Start] = []
    Tasks(start=started.append).run()
    assert started == []


def test_export_is_asked_for_by_a_pause(rule: JobRule) -> None:
    export.export()
    before = config.this_site().rules_file.read_text()
    rule_store.current().pause(pause.WHOLE_SITE, NOW + HOUR)
    assert config.this_site().rules_file.read_text() != before
