"""Procedures that ask a MariaDB server of the site: its trouble is not their fault, a wrong query is."""

from __future__ import annotations

import pytest

from tests.support.in_machine import rules
from tests.support.machine import Machine
from tests.system.test_jobs import start
from tests.system.test_lost_nothing import become

pytestmark = pytest.mark.long

INSTALL = """
set -e
apt-get update -qq || true
DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends mariadb-server >/dev/null
systemctl restart mariadb
mariadb -e "CREATE DATABASE shop; CREATE USER shop@localhost IDENTIFIED VIA unix_socket;
            GRANT ALL ON shop.* TO shop@localhost; CREATE TABLE shop.t (n integer)"
/opt/linod/bin/python -m pip install -q pymysql
"""
SETTINGS = """
import pymysql
from shop.settings import *

pymysql.install_as_MySQLdb()
DATABASES["maria"] = {
    "ENGINE": "django.db.backends.mysql", "NAME": "shop", "USER": "shop", "HOST": "/run/mysqld/mysqld.sock",
}
INSTALLED_APPS = [*INSTALLED_APPS, "maria"]
"""
PROCEDURES = """
import time
from django.db import connections
from linod_systemd import background_task


def ask(query):
    with connections["maria"].cursor() as cursor:
        cursor.execute(query)


@background_task(every_unit="never", cancel_on_manual_failure=True)
def asks_on(ar):
    while True:
        ask("SELECT n FROM t")
        time.sleep(0.1)


@background_task(every_unit="never", cancel_on_manual_failure=True)
def writes(ar):
    ask("INSERT INTO t VALUES (1)")


@background_task(every_unit="never", cancel_on_manual_failure=True)
def asks_for_no_table(ar):
    ask("SELECT n FROM nowhere")
"""


def test_a_server_of_the_sites_own(shop: Machine) -> None:
    shop.sh(INSTALL, timeout=580)
    shop.write("/srv/shop/maria/__init__.py", "")
    shop.write("/srv/shop/maria/procedures.py", PROCEDURES)
    shop.write("/srv/shop/shop/further.py", SETTINGS)
    shop.sh("sed -i s/shop.settings/shop.further/ /etc/linod/shop.toml; linod --site shop setup")
    shop.sh("linod-generate-units && systemctl daemon-reload && systemctl restart linod-supervisor@shop")

    start(shop, "asks_on")
    become(shop, "asks_on", "running")
    shop.sh("systemctl stop mariadb")
    _is_its_fault(shop, "asks_on", "it goes in the middle")
    start(shop, "writes")
    _is_its_fault(shop, "writes", "it is not there")
    shop.sh("systemctl start mariadb; mariadb -e 'SET GLOBAL read_only = 1'")
    start(shop, "writes")
    _is_its_fault(shop, "writes", "it only reads")
    shop.sh("mariadb -e 'SET GLOBAL read_only = 0'")
    start(shop, "writes")
    become(shop, "writes", "success")
    start(shop, "asks_for_no_table")
    become(shop, "asks_for_no_table", "failed")
    shop.poll(
        lambda: rules(shop, "shop")["asks_for_no_table"]["cancelled_by"] == "failure", 10, "the cancellation"
    )


def _is_its_fault(machine: Machine, rule: str, case: str) -> None:
    failed = become(machine, rule, "failed")
    assert failed["reason"].startswith("the database is away: "), (case, failed)
    assert not rules(machine, "shop")[rule]["cancelled"], case
