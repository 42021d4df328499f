"""Overview, timeline and the page of a rule: what they show, to whom, by how many questions; valid HTML."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import html5lib
import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from linod_systemd import clock
from linod_systemd.cli import status
from linod_systemd.cli.command import Call
from linod_systemd.cli.parser import parser
from linod_systemd.demo.models import User
from linod_systemd.models import Job, JobRule
from linod_systemd.sites import config, requests
from linod_systemd.store import rule_store
from linod_systemd.store.choices import Status

pytestmark = pytest.mark.django_db(transaction=True)
APP = "/admin/linod_systemd/"
RULES = f"{APP}jobrule/"
TIMELINE = f"{RULES}timeline/"


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def ran(rule: str, minutes_ago: float, status: Status = Status.SUCCESS, **values: Any) -> Job:
    start = clock.utc_now() - timedelta(minutes=minutes_ago)
    values = {"end_datetime": clock.to_database(start + timedelta(seconds=30)), "message": "a line"} | values
    row = {"rule_name": rule, "start_datetime": clock.to_database(start), "status": status, **values}
    made: Job = Job.objects.create(rule=JobRule.objects.filter(name=rule).first(), **row)
    return made


def test_the_first_page_says_in_one_line_that_all_is_well(client: Client) -> None:
    text = page(client, APP)
    assert "All is well: 7 rules, and none is in trouble." in text
    assert "Wrong now" not in text
    assert text.index("linod-well") < text.index("Job rules")


def test_the_first_page_says_what_linod_status_says(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = ran("checkdata", 5, Status.FAILED, reason="ValueError: <no> shelf")
    ran("checksummaries", 1, Status.RUNNING, end_datetime=None)
    rule_store.current().pause("clear_seen_messages", clock.utc_now() + timedelta(hours=3), "disks", "anna")
    text = page(client, APP)
    options = parser("linod").parse_args(["status", "--json"])
    assert status.status(config.this_site(), Call(options, config.this_site()).options) == 1
    said = json.loads(capsys.readouterr().out)
    (trouble,) = said["troubles"]
    assert trouble["rule"] == "checkdata" and trouble["what"] in text and trouble["remedy"] in text
    assert [job["id"] for job in said["failures"]] == [failed.pk]
    assert "ValueError: &lt;no&gt; shelf" in text and f"/job/{failed.pk}/change/" in text
    assert [job["rule"] for job in said["running"]] == ["checksummaries"]
    assert "paused</span> until" in text and "(disks; by anna)" in text
    dues = [one["due"] for one in said["next"]]
    assert dues == sorted(dues) and {"send_pending_emails_often", "checkdata"} <= {
        one["rule"] for one in said["next"]
    }
    assert {rule["name"] for rule in said["rules"]} == {rule.name for rule in JobRule.objects.all()}


def test_who_may_not_look_sees_nothing_of_it(client: Client) -> None:
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_job"))
    client.force_login(user)
    assert "linod-overview" not in page(client, APP)
    assert client.get(TIMELINE).status_code == 403
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_job", "view_jobrule")))
    assert "linod-overview" in page(client, APP)
    rule = JobRule.objects.get(name="checkdata")
    text = page(client, f"{RULES}{rule.pk}/change/")
    assert "linod-state" in text and "/act/" not in text, "no button is shown"
    answer = client.post(f"{RULES}{rule.pk}/act/", {"action": "run_now"})
    assert (answer.status_code, JobRule.objects.get(pk=rule.pk).requested_at) == (403, None)


def test_buttons_of_a_rule(client: Client) -> None:
    rule = JobRule.objects.get(name="checkdata")
    place = f"{RULES}{rule.pk}/"

    def press(action: str, **fields: str) -> str:
        answer = client.post(f"{place}act/", {"action": action, **fields}, follow=True)
        assert answer.status_code == 200
        return answer.content.decode()

    assert client.get(f"{place}act/").status_code == 403, "all changes are by POST"
    assert "1 rule was asked to run" in press("run_now")
    said = press("cancel", note="too slow")
    assert "cancelled</span> by a person: too slow" in said and 'value="cancel"' not in said
    assert 'value="pause_until"' not in said
    assert 'value="enable"' not in press("enable", note="it is fast now")
    assert "enabled: it is fast now" in page(client, f"{place}history/")
    assert "paused</span> until 2090-01-02" in press("pause_until", until="2090-01-02T06:00", note="x")
    assert "paused</span>" not in press("resume")
    assert client.post(f"{place}act/", {"action": "delete_selected"}).status_code == 403
    assert page(client, f"{place}history/").count("<td>root</td>") == 5


def test_a_timeline_shows_runs_and_what_is_to_come(client: Client) -> None:
    job = ran("checkdata", 60)
    bad = ran("checksummaries", 30, Status.FAILED)
    ran("clear_seen_messages", 20, Status.SKIPPED)
    rule_store.current().pause("send_pending_emails_daily", clock.utc_now() + timedelta(hours=1))
    text = page(client, TIMELINE)
    assert re.search(rf'href="{APP}job/{job.pk}/change/"><path class="linod-good"', text)
    assert re.search(rf'href="{APP}job/{bad.pk}/change/"><path class="linod-bad"', text)
    for kind in ("skipped", "next", "pause"):
        assert f'<path class="linod-{kind}"' in text
    earlier = page(client, f"{TIMELINE}?span=hour&begin=2020-01-01T00:00:00%2B00:00")
    assert f"job/{job.pk}/" not in earlier and "linod-next" not in earlier.split("linod-legend")[0]
    for odd in ("nonsense", "0001-01-01", "9999-12-31T23:59", "1969-12-31", "2026-02-30"):
        assert "span=day" in page(client, f"{TIMELINE}?span=year&begin={odd}")


def test_a_run_that_is_skipped_is_not_to_come(client: Client) -> None:
    rule = JobRule.objects.get(name="checkdata")
    JobRule.objects.exclude(pk=rule.pk).delete()
    place = f"{TIMELINE}?span=week"
    assert '<path class="linod-next"' in page(client, place)
    for _ in range(2):  # the window ends in less than two days
        client.post(f"{RULES}{rule.pk}/act/", {"action": "skip_next"})
    text = page(client, place)
    assert '<path class="linod-skipped"' in text and '<path class="linod-next"' not in text


def many(rules: int, jobs: int) -> None:
    start = clock.utc_now() - timedelta(hours=17)
    names = [f"rule_{number:03}" for number in range(rules)]
    made = [JobRule(name=name, procedure="checkdata", every_unit="minutely", every=20) for name in names]
    of_name = {rule.name: rule for rule in JobRule.objects.bulk_create(made)}
    step = timedelta(hours=17) / jobs
    Job.objects.bulk_create(
        Job(
            rule=of_name[names[number % rules]],
            rule_name=names[number % rules],
            start_datetime=clock.to_database(start + number * step),
            end_datetime=clock.to_database(start + number * step + timedelta(seconds=20)),
            status=Status.FAILED if number % 999 == 0 else Status.SUCCESS,
        )
        for number in range(jobs)
    )


def test_two_hundred_rules_and_ten_thousand_runs_are_a_small_page(client: Client) -> None:
    JobRule.objects.all().delete()
    many(200, 10_000)
    text = page(client, TIMELINE)
    assert len(text.encode()) <= 300_000
    shown = sum(int(number) for number in re.findall(r"<title>(\d+) runs,", text))
    shown += len(re.findall(r"<title>(?:good|bad), ", text))
    assert shown == 10_000, "each run is in one shape"
    assert "drawn as one bar" in text


@pytest.mark.parametrize("address", [RULES, TIMELINE, APP])
def test_questions_do_not_grow_with_the_rules(client: Client, address: str) -> None:
    asked = []
    for count in (10, 100):
        JobRule.objects.all().delete()
        Job.objects.all().delete()
        many(count, 300)
        page(client, address)
        with CaptureQueriesContext(
            connection,
        ) as questions:
            page(client, address)
        asked.append(len(questions))
    assert asked[1] <= asked[0] + 3


def test_the_page_of_a_job(client: Client) -> None:
    ran("checkdata", 60)
    job = ran("checkdata", 5, Status.FAILED, reason="a & b", message="<b>a line</b>\x1b[31m", cpu_seconds=0.5)
    text = page(client, f"{APP}job/{job.pk}/change/")
    assert "a &amp; b" in text and "&lt;b&gt;a line&lt;/b&gt;\\x1b[31m" in text
    assert "30.0 s; usually 30.0 s (1.0 ×)" in text
    assert f"linod show {job.pk}" in text
    assert 'value="run_again"' in text and 'value="stop"' not in text and "data-running" not in text
    answer = client.post(f"{APP}job/{job.pk}/act/", {"action": "run_again"}, follow=True)
    assert "asked to run checkdata again" in answer.content.decode()
    assert JobRule.objects.get(name="checkdata").requested_at is not None


def test_a_job_that_runs(client: Client) -> None:
    values = {"invocation_id": "5" * 32, "progress_done": 3, "progress_total": 4, "progress_text": "<mails>"}
    job = ran("checkdata", 5, Status.RUNNING, end_datetime=None, message="so far", **values)
    text = page(client, f"{APP}job/{job.pk}/change/")
    assert "data-running" in text and 'value="stop"' in text and 'value="run_again"' not in text
    assert '<progress value="3" max="4"' in text and "3 of 4 (75 %): &lt;mails&gt;" in text
    folder = config.this_site().request_directory
    requests.take(folder)
    answer = client.post(f"{APP}job/{job.pk}/act/", {"action": "stop"}, follow=True)
    assert f"asked to stop job {job.pk}" in answer.content.decode()
    assert requests.take(folder).stop == [("5" * 32, "checkdata")]
    live = page(client, f"{APP}job/{job.pk}/live/")
    assert "data-running" in live and "<html" not in live
    job.finish(Status.SUCCESS)
    assert "data-running" not in page(client, f"{APP}job/{job.pk}/live/")
    assert client.post(f"{APP}job/{job.pk}/act/", {"action": "stop"}).status_code == 403, "it has ended"


def test_skip_and_backfill_by_buttons(client: Client) -> None:
    JobRule.objects.filter(name="checkdata").update(start_date="2020-01-01", timezone="UTC")
    rule = JobRule.objects.get(name="checkdata")
    place = f"{RULES}{rule.pk}/act/"
    said = client.post(place, {"action": "skip_next", "note": "the fair"}, follow=True).content.decode()
    assert "The rule checkdata skips " in said
    assert Job.objects.get(rule_name="checkdata").reason == "skipped by root: the fair"
    asked = {"action": "backfill", "begin": "2020-03-01T00:00", "end": "2020-03-03T00:00"}
    said = client.post(place, asked, follow=True).content.decode()
    assert "runs for 3 past slots from 2020-03-01 00:00:00" in said
    assert (
        "was not due" in client.post(place, asked | {"end": "2020-02-03T00:00"}, follow=True).content.decode()
    )
    assert "Say from when" in client.post(place, asked | {"end": ""}, follow=True).content.decode()
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_job", "view_jobrule")))
    client.force_login(user)
    assert client.post(place, asked).status_code == 403


def test_html_is_valid(client: Client) -> None:
    rule = JobRule.objects.get(name="checkdata")
    job = ran("checkdata", 60)
    ran("checkdata", 30, Status.FAILED, reason="a & b < c")
    of_one = (f"{RULES}{rule.pk}/change/", f"{RULES}add/", f"{APP}job/{job.pk}/change/", f"{APP}job/")
    for address in (APP, RULES, TIMELINE, *of_one):
        html5lib.HTMLParser(strict=True).parse(page(client, address))
