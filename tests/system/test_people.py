"""People hear of it: mails of a booted site, at a real SMTP server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.conftest import MailServer
from tests.support.in_machine import add_to_settings
from tests.support.machine import Machine

TOLD = """
ADMINS = [("Admin", "admin@example.org")]
if "MAILERS" in globals():  # Django 6.1
    MAILERS["default"]["OPTIONS"] |= {{"host": "127.0.0.1", "port": {port}}}
else:
    EMAIL_HOST, EMAIL_PORT = "127.0.0.1", {port}
"""


@pytest.fixture
def server() -> Iterator[MailServer]:
    made = MailServer()
    made.start()
    yield made
    made.stop()


def test_one_mail_for_a_failure_and_one_for_the_recovery(shop: Machine, server: MailServer) -> None:
    add_to_settings(shop, TOLD.format(port=server.port))
    shop.sh("linod-generate-units && systemctl daemon-reload && systemctl restart linod-supervisor@shop")

    def subjects() -> list[str]:
        return [str(mail["Subject"]) for mail in server.mails]

    shop.run("systemctl", "start", "linod-shop-kills_itself", check=False)
    shop.poll(subjects, 20, "the mail of a job that could tell nothing itself")
    assert "kills_itself" in subjects()[0] and "looking" not in server.mails[0].get_content()
    assert "killed by SIGKILL" in server.mails[0].get_content()
    for _ in range(3):
        shop.run("systemctl", "start", "linod-shop-wants_a_file", check=False)
    shop.poll(lambda: len(subjects()) == 2, 20, "the mail of a failure")
    text = server.mails[1].get_content()
    for part in ("no such shelf", "looking for it", "linod show", "journalctl"):
        assert part in text
    shop.sh("touch /var/lib/linod/shop/go && linod --site shop enable wants_a_file")
    shop.run("systemctl", "start", "linod-shop-wants_a_file")
    shop.poll(lambda: len(subjects()) == 3, 20, "the mail of its recovery")
    assert "wants_a_file" in subjects()[2] and "recovered" in subjects()[2]
    assert {str(mail["To"]) for mail in server.mails} == {"admin@example.org"}
