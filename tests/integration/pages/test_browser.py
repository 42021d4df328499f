"""The admin in a real browser: headless Chromium clicks through run now, cancel and pause."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from linod_systemd.demo.models import User
from linod_systemd.models import Job, JobRule
from linod_systemd.sites import config, requests
from linod_systemd.tasks import Tasks
from tests.support.browser import log_in, opened, press

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def browser(live_server: LiveServer, tmp_path: Path) -> Iterator[Chrome]:
    """Logged in, at the list of rules."""
    Tasks().setup()
    User.objects.create_superuser("boss", password="open")  # noqa: S106
    with opened(tmp_path) as driver:
        log_in(driver, live_server.url, "boss")
        yield driver


def act(browser: Chrome, action: str, *rules: str, **fields: str) -> str:
    """Tick rules, choose an action, press Go; the page's messages."""
    for name in rules:
        row = f"//a[text()='{name}']/ancestor::tr"
        browser.find_element(By.XPATH, row).find_element(By.NAME, "_selected_action").click()
    Select(browser.find_element(By.NAME, "action")).select_by_visible_text(action)
    for name, value in fields.items():
        element = browser.find_element(By.NAME, name)
        browser.execute_script("arguments[0].value = arguments[1]", element, value)
    press(browser, browser.find_element(By.NAME, "index"))
    return browser.find_element(By.CSS_SELECTOR, ".messagelist").text


def state(browser: Chrome, rule: str) -> str:
    row = browser.find_element(By.XPATH, f"//a[text()='{rule}']/ancestor::tr")
    return row.find_element(By.CSS_SELECTOR, ".field-state").text


def test_run_now_cancel_and_pause(browser: Chrome) -> None:
    assert "1 rule was asked to run" in act(browser, "Run now", "checkdata")
    assert state(browser, "checkdata") == "run requested"
    assert requests.take(config.this_site().request_directory).run == ["checkdata"]
    said = act(browser, "Cancel", "checkdata", "checksummaries", note="the move")
    assert "2 rules were cancelled" in said
    assert state(browser, "checksummaries") == "cancelled by a person: the move"
    assert "2 rules were enabled" in act(browser, "Enable", "checkdata", "checksummaries")
    until = "2090-01-02T06:00"
    assert "paused until 2090-01-02" in act(browser, "Pause until", "checkdata", until=until)
    assert "paused until 2090-01-02 06:00:00" in state(browser, "checkdata")
    press(browser, browser.find_element(By.XPATH, "//button[text()='Set up tasks']"))
    assert "nothing to do" in browser.find_element(By.CSS_SELECTOR, ".messagelist").text


def test_what_a_job_printed_is_shown_and_not_obeyed(browser: Chrome, live_server: LiveServer) -> None:
    rule = JobRule.objects.get(name="checkdata")
    said = "<script>document.title = 'got in'</script>\n\x1b[31mred"
    job = Job.objects.create(rule=rule, rule_name="checkdata", start_datetime=rule.live_since, message=said)
    browser.get(f"{live_server.url}/admin/linod_systemd/job/{job.pk}/change/")
    shown = browser.find_element(By.CSS_SELECTOR, "#linod-live .linod-log").text
    assert shown == "<script>document.title = 'got in'</script>\n\\x1b[31mred"
    assert "got in" not in browser.title


def test_the_form_tells_what_it_means_as_one_types(browser: Chrome, live_server: LiveServer) -> None:
    rule = JobRule.objects.get(name="checkdata")
    browser.get(f"{live_server.url}/admin/linod_systemd/jobrule/{rule.pk}/change/")

    def meaning(expected: str) -> str:
        box = browser.find_element(By.ID, "rule-preview")
        WebDriverWait(browser, 20).until(lambda _: expected in box.text)
        return box.text

    assert len(meaning("every day at 00:00").splitlines()) == 6
    Select(browser.find_element(By.NAME, "every_unit")).select_by_visible_text("weekly")
    every = browser.find_element(By.NAME, "every")
    every.clear()
    every.send_keys("2")
    browser.find_element(By.NAME, "saturday").click()
    meaning("every second Saturday at 00:00")
    browser.find_element(By.XPATH, "//summary[contains(., 'More about when')]").click()
    zone = browser.find_element(By.NAME, "timezone")
    zone.send_keys("Mars/Olympus")
    meaning("'Mars/Olympus' is no time zone")
    browser.execute_script("arguments[0].scrollIntoView()", browser.find_element(By.ID, "rule-preview"))
    assert JobRule.objects.get(pk=rule.pk).every_unit == "daily", "nothing was saved"
