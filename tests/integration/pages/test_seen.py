"""Each page as it is seen: light, dark, on a phone, by the keyboard, without JavaScript, by who only looks.

With LINOD_SCREENSHOTS=FOLDER it leaves a picture of each, as those in docs/images.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from pytest_django.live_server_helper import LiveServer
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from linod_systemd.demo.models import User
from linod_systemd.models import Job, JobRule
from linod_systemd.store.choices import Status
from tests.support import a_busy_week
from tests.support.browser import await_next_page, log_in, opened, press

pytestmark = [pytest.mark.long, pytest.mark.django_db(transaction=True)]

APP = "/admin/linod_systemd/"
LOOKS = {"light": (1400, False), "dark": (1400, True), "phone": (400, False)}
BAD = ("serious", "critical")
# Django's own parts of the page are Django's to mend.
DJANGOS = ["#header", ".breadcrumbs", "#nav-sidebar", "#changelist-filter", "#toolbar", ".object-tools"]
RUN_AXE = "axe.run({exclude: arguments[0]}, {}).then(arguments[arguments.length - 1])"
ASKED = "return performance.getEntriesByType('resource').map((one) => one.name)"
PAGES: dict[str, Callable[[], str]] = {
    "overview": lambda: APP,
    "rules": lambda: f"{APP}jobrule/",
    "timeline": lambda: f"{APP}jobrule/timeline/",
    "timeline-week": lambda: f"{APP}jobrule/timeline/?span=week",
    # A day begins right before the edge.
    "timeline-edge": lambda: f"{APP}jobrule/timeline/?span=week&begin=2026-11-24T00:10:00%2B00:00",
    "rule": lambda: f"{APP}jobrule/{JobRule.objects.get(name='event_notification_scheduler').pk}/change/",
    "jobs": lambda: f"{APP}job/",
    "job": lambda: f"{APP}job/{Job.objects.filter(status='running').get().pk}/change/",
}


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, from npm."""
    folder = tmp_path_factory.mktemp("axe")
    subprocess.run(["npm", "pack", "--silent", "axe-core@4"], cwd=folder, check=True, timeout=100)
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        source = packed.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()


@pytest.fixture
def busy(live_server: LiveServer) -> str:
    """A site after a busy week; its address."""
    a_busy_week.fill()
    User.objects.create_superuser("boss", password="open")  # noqa: S106
    looker = User.objects.create_user("looker", password="open", is_staff=True)  # noqa: S106
    looker.user_permissions.set(Permission.objects.filter(codename__in=("view_job", "view_jobrule")))
    return str(live_server.url)


@pytest.mark.parametrize("look", LOOKS)
def test_no_serious_fault(busy: str, tmp_path: Path, axe: str, look: str) -> None:
    width, dark = LOOKS[look]
    with opened(tmp_path, width, dark=dark) as browser:
        log_in(browser, busy, "boss")
        faults = []
        for name, address in PAGES.items():
            browser.set_window_size(width, 700)
            browser.get(busy + address())
            _picture(browser, f"{name}-{look}", width)
            browser.execute_script(axe)
            found = browser.execute_async_script(RUN_AXE, DJANGOS)
            faults += [
                (name, one["id"], one["impact"], [node["html"][:200] for node in one["nodes"]][:3])
                for one in found["violations"]
                if one["impact"] in BAD
            ]
            wide = browser.execute_script("return document.documentElement.scrollWidth")
            if wide > width:
                faults.append((name, "wider than the screen", wide, []))
            asked = browser.execute_script(ASKED)
            faults += [(name, "another host is asked", one, []) for one in asked if not one.startswith(busy)]
        assert faults == []


def _picture(browser: Chrome, name: str, width: int) -> None:
    folder = os.environ.get("LINOD_SCREENSHOTS")
    if folder:
        height = browser.execute_script("return document.documentElement.scrollHeight")
        browser.set_window_size(width, min(max(height, 400), 2000))
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(f"{folder}/{name}.png")


def test_who_may_only_look_sees_no_button(busy: str, tmp_path: Path) -> None:
    with opened(tmp_path, 1400) as browser:
        log_in(browser, busy, "looker")
        for address in PAGES.values():
            browser.get(busy + address())
            assert "403" not in browser.title
            assert browser.find_elements(By.CSS_SELECTOR, ".linod-acts button, .linod-tool") == []


def test_by_the_keyboard_alone(busy: str, tmp_path: Path) -> None:
    rule = JobRule.objects.get(name="checkdata")
    with opened(tmp_path, 1400) as browser:
        log_in(browser, busy, "boss")
        browser.get(f"{busy}{APP}jobrule/{rule.pk}/change/")
        for _ in range(60):
            browser.switch_to.active_element.send_keys(Keys.TAB)
            if browser.switch_to.active_element.text == "Run now":
                break
        page = browser.find_element(By.TAG_NAME, "html")
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        await_next_page(browser, page)
        assert "asked to run" in browser.find_element(By.CSS_SELECTOR, ".messagelist").text
        browser.get(f"{busy}{APP}jobrule/timeline/")
        bar = browser.find_element(By.CSS_SELECTOR, ".linod-timeline svg a")
        assert bar.get_attribute("href") is not None
        browser.execute_script("arguments[0].focus()", bar)
        assert browser.execute_script("return document.activeElement === arguments[0]", bar), "it takes focus"


def test_without_javascript(busy: str, tmp_path: Path) -> None:
    rule = JobRule.objects.get(name="checkdata")
    with opened(tmp_path, 1400, javascript=False) as browser:
        log_in(browser, busy, "boss")
        browser.get(f"{busy}{APP}jobrule/{rule.pk}/change/")
        press(browser, browser.find_element(By.XPATH, "//button[text()='Skip the next run']"))
        assert "skips" in browser.find_element(By.CSS_SELECTOR, ".messagelist").text
        browser.get(f"{busy}{PAGES['timeline']()}")
        press(browser, browser.find_element(By.LINK_TEXT, "week"))
        assert browser.find_elements(By.CSS_SELECTOR, ".linod-timeline svg a path")


def test_a_jobs_log_grows_and_ends_by_itself(busy: str, tmp_path: Path) -> None:
    job = Job.objects.get(status="running")
    with opened(tmp_path, 1400) as browser:
        log_in(browser, busy, "boss")
        browser.get(f"{busy}{APP}job/{job.pk}/change/")
        assert "40 of 120" in browser.find_element(By.ID, "linod-live").text
        Job.objects.filter(pk=job.pk).update(progress_done=80, message="another line")
        _await(browser, lambda: "80 of 120" in browser.find_element(By.ID, "linod-live").text)
        assert "another line" in browser.find_element(By.CSS_SELECTOR, ".linod-log").text
        job.finish(Status.SUCCESS)
        _await(browser, lambda: browser.find_elements(By.XPATH, "//button[text()='Run again']") != [])
        assert browser.find_elements(By.CSS_SELECTOR, "[data-running]") == []


def _await(browser: Chrome, question: Callable[[], bool]) -> None:
    ignored = [StaleElementReferenceException]
    WebDriverWait(browser, 20, ignored_exceptions=ignored).until(lambda _: question())


def test_each_button(busy: str, tmp_path: Path) -> None:
    """Of the page of a rule, and of those of a job that runs and of one that has ended."""
    rule = JobRule.objects.get(name="checkdata")
    JobRule.objects.filter(pk=rule.pk).update(every=2)  # so that it differs from the code
    ended = Job.objects.filter(rule_name="checkdata").first()
    running = Job.objects.get(status="running")
    of_rule, of_jobs = f"{APP}jobrule/{rule.pk}/change/", f"{APP}job/{{}}/change/"
    past = "arguments[0].value = '2026-01-05T00:00'; arguments[1].value = '2026-01-06T00:00'"
    with opened(tmp_path, 1400) as browser:
        log_in(browser, busy, "boss")

        def says(address: str, button: str, fields: str = "") -> str:
            browser.get(busy + address)
            if fields:
                browser.find_element(By.XPATH, f"//summary[text()='{button}']").click()
                inputs = [browser.find_element(By.NAME, name) for name in ("begin", "end")]
                browser.execute_script(fields, *inputs)
            if button == "Pause until":
                until = browser.find_element(By.NAME, "until")
                browser.execute_script("arguments[0].value = '2090-01-02T06:00'", until)
            press(browser, browser.find_element(By.XPATH, f'//button[text()="{button}"]'))
            return browser.find_element(By.CSS_SELECTOR, ".messagelist").text

        assert "was given what the code says" in says(of_rule, "Take the code's values")
        assert "was asked to run" in says(of_rule, "Run now")
        assert "skips" in says(of_rule, "Skip the next run")
        assert "was paused until 2090-01-02" in says(of_rule, "Pause until")
        assert "was resumed" in says(of_rule, "Resume")
        assert "was cancelled" in says(of_rule, "Cancel")
        assert "was enabled" in says(of_rule, "Enable")
        JobRule.objects.filter(pk=rule.pk).update(start_date="2026-01-01")
        assert "runs for 2 past slots" in says(of_rule, "Run for past slots", past)
        assert "asked to stop" in says(of_jobs.format(running.pk), "Stop")
        assert ended is not None
        assert "asked to run checkdata again" in says(of_jobs.format(ended.pk), "Run again")
