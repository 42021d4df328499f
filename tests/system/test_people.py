"""People hear of it: mails of a booted site, at a real SMTP server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.integration.conftest import MailServer
from tests.support.in_machine import add_to_settings, show
from tests.support.machine import Machine

TOLD = """
ADMINS = [("Admin", "admin@example.org")]
LINOD_MAIL_GATHER_SECONDS = 1
if "MAILERS" in globals():  # Django 6.1
    MAILERS["default"]["OPTIONS"] |= {{"host": "127.0.0.1", "port": {port}}}
else:
    EMAIL_HOST, EMAIL_PORT = "127.0.0.1", {port}
"""

CANCEL_BY_SQL = (
    "from django.db import connection; connection.cursor().execute("
    "\"UPDATE linod_systemd_jobrule SET cancelled=1, cancelled_by='person' WHERE name='warns'\")"
)


def is_cancelled(machine: Machine, rule: str) -> bool:
    """Whether rules.json says so: the supervisor's check has written it."""
    written = json.loads(machine.sh("cat /var/lib/linod/shop/rules.json"))
    return next(bool(one["cancelled"]) for one in written["rules"] if one["name"] == rule)


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
    shop.poll(subjects, 60, "the mail of a job that could tell nothing itself")
    assert "kills_itself" in subjects()[0] and "looking" not in server.mails[0].get_content()
    assert "killed by SIGKILL" in server.mails[0].get_content()
    for _ in range(3):
        shop.run("systemctl", "start", "linod-shop-wants_a_file", check=False)
    shop.poll(lambda: len(subjects()) == 2, 60, "the mail of a failure")
    text = server.mails[1].get_content()
    for part in ("no such shelf", "looking for it", "linod show", "journalctl"):
        assert part in text
    shop.sh("touch /var/lib/linod/shop/go && linod --site shop enable wants_a_file")
    shop.run("systemctl", "start", "linod-shop-wants_a_file")
    shop.poll(lambda: len(subjects()) == 3, 60, "the mail of its recovery")
    assert "wants_a_file" in subjects()[2] and "recovered" in subjects()[2]
    assert {str(mail["To"]) for mail in server.mails} == {"admin@example.org"}


@pytest.mark.long
def test_a_mail_server_that_never_answers_holds_nothing_up(shop: Machine) -> None:
    """The units end at once, the rule runs again, the supervisor checks; the mails wait."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        add_to_settings(shop, TOLD.format(port=deaf.getsockname()[1]))
        shop.sh("linod-generate-units && systemctl daemon-reload && systemctl restart linod-supervisor@shop")
        shop.run("systemctl", "start", "linod-shop-wants_a_file", check=False)
        again = shop.run("linod-run", "--site", "shop", "wants_a_file", check=False)
        assert again.returncode == 1, "it has failed again, and is not running still"
        deaf.settimeout(60)
        connection, _ = deaf.accept()
        with connection:
            shop.run("linod", "--site", "shop", "manage", "shell", "-c", CANCEL_BY_SQL)
            shop.poll(lambda: is_cancelled(shop, "warns"), 45, "a check beside it")
        assert show(shop, "linod-supervisor@shop.service", "NRestarts") == "0"
        assert shop.sh("ls /var/lib/linod/shop/outbox").strip(), "until a server takes them"
