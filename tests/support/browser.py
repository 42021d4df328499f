"""A headless Chromium."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--hide-scrollbars",
)


@contextlib.contextmanager
def opened(
    folder: Path, width: int = 1400, *, dark: bool = False, javascript: bool = True
) -> Iterator[Chrome]:
    """A browser with a profile of its own in this folder.

    :param width: of the window; one below 500 is that of a phone.
    """
    options = ChromeOptions()
    for switch in (*SWITCHES, f"--window-size={width},900", f"--user-data-dir={folder}/profile"):
        options.add_argument(switch)
    if width < 500:
        metrics = {"width": width, "height": 900, "pixelRatio": 1}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    driver = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        if dark:
            scheme = {"name": "prefers-color-scheme", "value": "dark"}
            driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        if not javascript:
            driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        yield driver
    finally:
        driver.quit()


def log_in(browser: Chrome, site: str, user: str, then: str = "/admin/linod_systemd/jobrule/") -> None:
    """Log in with the password that all users of the tests have."""
    browser.get(f"{site}/admin/login/?next={then}")
    browser.find_element(By.NAME, "username").send_keys(user)
    browser.find_element(By.NAME, "password").send_keys("open")
    press(browser, browser.find_element(By.CSS_SELECTOR, "input[type=submit]"))  # or it is not logged in yet


def press(browser: Chrome, button: WebElement) -> None:
    """Click, and wait for the page that comes."""
    page = browser.find_element(By.TAG_NAME, "html")
    button.click()
    await_next_page(browser, page)


def await_next_page(browser: Chrome, page: WebElement) -> None:
    """Wait until this page is gone."""
    WebDriverWait(browser, 20).until(staleness_of(page))
