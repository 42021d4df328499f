"""Django's admin for rules and jobs."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from linod_systemd import clock
from linod_systemd.demo.models import User
from linod_systemd.models import Job, JobRule, Pause
from linod_systemd.sites import config, requests
from linod_systemd.tasks import Tasks

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/linod_systemd/jobrule/"
JOBS = "/admin/linod_systemd/job/"


def page(client: Client, address: str, data: dict[str, Any] | None = None) -> str:
    answer = client.get(address) if data is None else client.post(address, data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, action: str, *names: str) -> str:
    chosen = list(JobRule.objects.filter(name__in=names).values_list("pk", flat=True))
    return page(client, LIST, {"action": action, "_selected_action": chosen})


def test_list_shows_state_and_next_time(client: Client) -> None:
    Tasks().cancel_rule(JobRule.objects.get(name="checkdata"))
    text = page(client, LIST)
    assert "cancelled</span> by a person" in text and "every 10 seconds" in text and "Set up tasks" in text
    assert "cancelled</span> by a person" not in page(client, f"{LIST}?cancelled__exact=0")


def test_actions(client: Client) -> None:
    assert "2 rules were cancelled" in act(client, "cancel", "checkdata", "checksummaries")
    exported = json.loads(config.this_site().rules_file.read_text())["rules"]
    assert {rule["name"] for rule in exported if rule["cancelled"]} == {"checkdata", "checksummaries"}
    assert "2 rules were enabled" in act(client, "enable", "checkdata", "checksummaries")
    assert JobRule.objects.live().count() == 7
    requests.take(config.this_site().request_directory)  # what other tests have left
    assert "1 rule was asked to run" in act(client, "run_now", "checkdata")
    assert requests.take(config.this_site().request_directory).run == ["checkdata"]


def test_each_act_is_in_the_history_with_its_user(client: Client) -> None:
    rule = JobRule.objects.get(name="checkdata")
    for action in ("run_now", "cancel", "enable"):
        act(client, action, "checkdata")
    said = {"action": "pause_until", "_selected_action": [rule.pk], "until": "2090-01-02T06:00", "note": "x"}
    page(client, LIST, said)
    act(client, "resume", "checkdata")
    history = page(client, f"{LIST}{rule.pk}/history/")
    acts = ("asked to run now", "cancelled", "enabled", "paused until 2090-01-02 06:00:00 UTC: x", "resumed")
    assert [one for one in acts if one not in history] == []
    assert history.count("<td>root</td>") == 5


def test_what_changed_nothing_is_a_warning_and_not_in_the_history(client: Client) -> None:
    for action, needed in (("enable", "were cancelled"), ("resume", "were paused")):
        said = act(client, action, "checkdata", "checksummaries")
        assert f"Nothing was changed: none of the chosen rules {needed}." in said
        assert '<li class="warning">' in said
    pk = JobRule.objects.get(name="checkdata").pk
    assert "have a change history" in page(client, f"{LIST}{pk}/history/")


def test_an_edit_that_differs_from_the_code_is_shown_and_can_be_taken_back(client: Client) -> None:
    JobRule.objects.filter(name="checkdata").update(every=3)
    assert "edited: every is 3, the code says 1" in page(client, LIST)
    assert "1 rule was given what the code says" in act(client, "take_code", "checkdata")
    assert "edited:" not in page(client, LIST)


def test_cancel_with_a_note_and_pause(client: Client) -> None:
    chosen = [JobRule.objects.get(name="checkdata").pk]
    page(client, LIST, {"action": "cancel", "_selected_action": chosen, "note": "<b>too slow</b>"})
    assert "cancelled</span> by a person: &lt;b&gt;too slow&lt;/b&gt;" in page(client, LIST)
    act(client, "enable", "checkdata")
    assert "Say until when" in act(client, "pause_until", "checkdata")
    said = {"action": "pause_until", "_selected_action": chosen, "until": "2090-01-02T06:00", "note": "x"}
    assert "1 rule was paused until 2090-01-02 06:00:00 UTC" in page(client, LIST, said)
    assert "paused</span> until 2090-01-02 06:00:00+00:00 (x; by root)" in page(client, LIST)
    assert "1 rule was resumed" in act(client, "resume", "checkdata")
    assert "none of the chosen rules were paused" in act(client, "resume", "checkdata")
    assert "paused</span>" not in page(client, LIST)
    assert "is past" in page(client, LIST, {**said, "until": "2020-01-02T06:00"})


def save(client: Client, rule: JobRule, **values: Any) -> None:
    """Send the form of a rule as its page has it, with other values."""
    form = client.get(f"{LIST}{rule.pk}/change/").context["adminform"].form
    sent = {name: form[name].value() for name in form.fields}
    sent = {name: "" if value is None else value for name, value in sent.items() if value is not False}
    data = {**sent, **values}
    assert client.post(f"{LIST}{rule.pk}/change/", data).status_code == 302


@pytest.mark.parametrize(
    ("permissions", "cancels", "enables", "chooses"),
    [
        ((), False, False, False),
        (("cancel_jobrule",), True, False, False),
        (("enable_jobrule",), False, True, False),
        (("add_jobrule",), False, False, True),
    ],
)
def test_a_field_that_does_an_act_needs_the_permission_of_the_act(
    client: Client, permissions: tuple[str, ...], cancels: bool, enables: bool, chooses: bool
) -> None:
    editor = User.objects.create_user("editor", is_staff=True)
    allowed = ["view_jobrule", "change_jobrule", *permissions]
    editor.user_permissions.set(Permission.objects.filter(codename__in=allowed))
    client.force_login(editor)
    rule = JobRule.objects.get(name="checkdata")
    save(client, rule, cancelled="on", procedure="checksummaries", timeout="77")
    rule.refresh_from_db()
    assert (rule.timeout, rule.cancelled) == (77, cancels)
    assert rule.procedure == ("checksummaries" if chooses else "checkdata")
    assert "checkdata" in page(client, f"{LIST}{rule.pk}/change/")  # it is seen all the same
    Tasks().cancel_rule(rule)
    save(client, rule, cancelled="")
    rule.refresh_from_db()
    assert rule.cancelled is not enables


def test_who_may_only_look_can_only_look(client: Client) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__in=["view_jobrule", "view_job"]))
    client.force_login(reader)
    text = page(client, LIST)
    assert "checkdata" in text and "Run now" not in text
    for action in ("run_now", "cancel", "enable", "pause_until"):
        act(client, action, "checkdata")
    page(client, f"{LIST}setup/", {})
    rule = JobRule.objects.get(name="checkdata")
    assert (rule.requested_at, rule.cancelled, Pause.objects.count()) == (None, False, 0)
    reader.user_permissions.add(Permission.objects.get(codename="run_jobrule"))
    client.force_login(User.objects.get(pk=reader.pk))
    text = page(client, LIST)
    assert "Run now" in text and "Pause until" not in text
    assert "1 rule was asked to run" in act(client, "run_now", "checkdata")


def test_what_a_job_printed_is_data(client: Client) -> None:
    rule = JobRule.objects.get(name="checkdata")
    said = "<script>alert(1)</script>\x1b[31m red"
    job = Job.objects.create(rule=rule, rule_name="checkdata", start_datetime=rule.live_since, message=said)
    text = page(client, f"/admin/linod_systemd/job/{job.pk}/change/")
    assert "&lt;script&gt;alert(1)" in text and "<script>alert" not in text and "\\x1b[31m red" in text
    assert client.get(f"/admin/linod_systemd/job/{job.pk}/delete/").status_code == 403


def test_set_up_tasks(client: Client) -> None:
    JobRule.objects.get(name="checkdata").delete()
    assert "made checkdata" in page(client, f"{LIST}setup/", {})


def test_impossible_edit_is_said_at_its_field(client: Client) -> None:
    rule = JobRule.objects.get(name="checkdata")
    form = {
        **{
            "name": "checkdata",
            "procedure": "checkdata",
            "seqno": 4,
            "log_level": "INFO",
            "every_unit": "daily",
        },
        **{
            "every": 1,
            "start_date": "2026-01-31",
            "timeout": 60,
            "retries": 0,
            "cancel_on_failure": 1,
            "jitter": 0,
        },
        **{"catch_up": "unknown", "timezone": "Mars/Olympus"},
    }
    text = page(client, f"{LIST}{rule.pk}/change/", form)
    assert "Please correct the error below" in text and "Mars/Olympus" in text
    page(client, f"{LIST}{rule.pk}/change/", {**form, "timezone": "Europe/Brussels"})
    rule.refresh_from_db()
    assert (rule.timeout, rule.timezone) == (60, "Europe/Brussels")


def test_jobs_are_listed_by_status_and_not_edited(client: Client) -> None:
    rule = JobRule.objects.get(name="checkdata")
    for status in ("success", "failed"):
        Job.objects.create(rule=rule, rule_name="checkdata", start_datetime=rule.live_since, status=status)
    assert "2 jobs" in page(client, "/admin/linod_systemd/job/")
    assert "1 job" in page(client, "/admin/linod_systemd/job/?status__exact=failed")
    assert client.get("/admin/linod_systemd/job/add/").status_code == 403


FORM = {
    **{"name": "report", "procedure": "checkdata", "seqno": "0", "log_level": "INFO", "every_unit": "weekly"},
    **{"every": "2", "start_date": "2099-01-03", "start_time": "04:00", "saturday": "on", "positions": ""},
    **{"timezone": "Europe/Brussels", "timeout": "60", "retries": "0", "jitter": "0"},
    **{"cancel_on_failure": "1", "catch_up": "unknown", "cancelled_note": ""},
}


def test_the_form_tells_what_it_means_before_one_saves(client: Client) -> None:
    preview = f"{LIST}preview/"
    said = page(client, preview, FORM)
    assert "every second Saturday at 04:00, Europe/Brussels, from 3 January 2099" in said
    assert re.findall(r"Sat +\d+ \w+ 2099, 04:00:00 CET", said) and said.count("<li>") == 5
    daily = {**FORM, "every_unit": "daily", "positions": "1"}
    assert "Positions: allowed for weekly" in page(client, preview, daily)
    assert "enter a whole number" in page(client, preview, {**FORM, "every": "x"}).lower()
    markup = page(client, preview, {**FORM, "timezone": "<b>x"})
    assert "<b>" not in markup and "is no time zone" in markup
    assert not JobRule.objects.filter(name="report").exists()
    # A rule that is there is judged as itself: its name is not taken by another.
    rule = JobRule.objects.get(name="checkdata")
    assert "every second Saturday" in page(client, f"{preview}?rule={rule.pk}", {**FORM, "name": "checkdata"})
    assert JobRule.objects.get(name="checkdata").every_unit == "daily"
    assert "already exists" in page(client, preview, {**FORM, "name": "checkdata"})


def test_who_may_only_look_is_told_nothing_of_a_form(client: Client) -> None:
    reader = User.objects.create_user("reader", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename="view_jobrule"))
    client.force_login(reader)
    assert client.post(f"{LIST}preview/", FORM).status_code == 403


def test_jobs_are_filtered_by_day_and_rule(client: Client) -> None:
    rule, today = JobRule.objects.get(name="checkdata"), clock.utc_now()
    for name, days in (("checkdata", 0), ("checkdata", 3), ("gone", 3), ("gone", 30)):
        Job.objects.create(
            rule=rule if name == "checkdata" else None,
            rule_name=name,
            start_datetime=clock.to_database(today - timedelta(days=days)),
            status="success",
        )

    def shown(query: str) -> str:
        found = re.search(r"(\d+) jobs?\s", page(client, f"/admin/linod_systemd/job/?{query}"))
        return found[1] if found else ""

    day = (clock.today() - timedelta(days=3)).isoformat()
    assert (shown(""), shown(f"day={day}"), shown("rule_name=gone")) == ("4", "2", "2")
    assert shown(f"day={day}&rule_name=gone&status__exact=success") == "1"
    assert shown("day=nonsense") == "4"


@pytest.fixture
def hundred(client: Client) -> None:
    """A hundred rules, each with jobs, some of them paused, late or cancelled."""
    now = clock.now()
    for number in range(100):
        rule = JobRule.objects.create(
            name=f"rule_{number:03}",
            procedure="checkdata",
            every_unit=("hourly", "secondly")[number % 2],
            every=7,
        )
        JobRule.objects.filter(pk=rule.pk).update(live_since=now - timedelta(days=2))
        for status in ("success", "failed"):
            Job.objects.create(
                rule=rule,
                rule_name=rule.name,
                start_datetime=now - timedelta(days=1),
                end_datetime=now,
                status=status,
                message="long " * 1000,
            )
    Pause.objects.create(rule_name="rule_003", since=now, until=now + timedelta(days=1))


@pytest.mark.parametrize(
    ("address", "few"), [(LIST, f"{LIST}?q=rule_00"), (JOBS, f"{JOBS}?rule_name=rule_001")]
)
def test_a_list_asks_no_question_for_each_row_and_reads_no_message(
    client: Client, hundred: None, address: str, few: str
) -> None:
    counts = []
    for one in (few, address):
        with CaptureQueriesContext(connection) as asked:
            page(client, one)
        counts.append(len(asked))
        assert [query["sql"] for query in asked if '"linod_systemd_job"."message"' in query["sql"]] == []
    assert counts[1] <= counts[0] + 3, counts
    assert counts[1] < 40
