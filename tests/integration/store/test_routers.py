"""Jobs in a database of their own: all transactions and questions go there, and none to a replica."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

Typed = Callable[..., str]

SETTINGS = """
from linod_systemd.demo.settings import *

DATABASES = {
    "default": {**DATABASES["default"], "NAME": r"{root}/default.sqlite3"},
    "jobs": {**DATABASES["default"], "NAME": r"{root}/jobs.sqlite3"},
    "replica": {**DATABASES["default"], "NAME": r"{root}/replica.sqlite3"},
}
DATABASE_ROUTERS = ["routed.Router"]


class Router:
    def db_for_write(self, model, **hints):
        return "jobs" if model._meta.app_label == "linod_systemd" else None

    def db_for_read(self, model, **hints):
        return "replica" if model._meta.app_label == "linod_systemd" else None

    def allow_relation(self, one, other, **hints):
        return True

    def allow_migrate(self, db, app_label, **hints):
        return (db == "jobs") == (app_label == "linod_systemd")
"""
TRANSACTIONS = """
import django; django.setup()
from django.db import connections, transaction
from linod_systemd.jobs import skipped
from linod_systemd.models import JobRule
from linod_systemd.store import rule_store
from linod_systemd.sites import config

def written():
    return config.this_site().rules_file.read_text()

# SQLite takes FOR UPDATE for nothing; PostgreSQL refuses it outside of a transaction of its own database.
inside = []
lock = type(rule_store.current()).lock
type(rule_store.current()).lock = lambda self, name: inside.append(connections["jobs"].in_atomic_block)
JobRule.objects.filter(name="checkdata").update(cancelled=True)
JobRule.objects.filter(name="checkdata").update(
    live_since="2026-01-01 00:00:00+00:00", cancelled_at="2026-01-02 00:00:00+00:00"
)
rule_store.current().enable("checkdata")
assert inside == [True], inside
before = written()
try:
    with transaction.atomic(using="jobs"):
        JobRule.objects.filter(name="checkdata").update(every=7)
        rule_store.current().request_run("checkdata")
        raise KeyError
except KeyError:
    pass
assert written() == before, "what was rolled back was exported"
with transaction.atomic(using="default"):
    JobRule.objects.filter(name="checkdata").update(every=7)
    assert written() != before, "another database's transaction is not waited for"
"""


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    (tmp_path / "routed.py").write_text(SETTINGS.replace("{root}", str(tmp_path)))
    environment = {**os.environ, "LINOD_ROOT": str(tmp_path), "DJANGO_SETTINGS_MODULE": "routed"}
    environment |= {"PYTHONPATH": str(tmp_path), "LINOD_SITE": "routed"}

    def run(*words: str, code: int = 0) -> str:
        command = [sys.executable, *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        return done.stdout

    for database in ("default", "jobs"):
        run("-m", "django", "migrate", "-v0", "--database", database)
    run("-m", "linod_systemd.cli", "setup")
    return run


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as database:
        return {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}


def test_all_is_in_the_database_that_the_routers_name(typed: Typed, tmp_path: Path) -> None:
    typed("-m", "linod_systemd.run", "clear_seen_messages")
    (job,) = json.loads(typed("-m", "linod_systemd.cli", "jobs", "--json"))
    assert job["status"] == "success"
    for words in (
        "cancel checkdata",
        "enable checkdata",
        "pause checkdata --until 2090-01-01",
        "resume checkdata",
    ):
        typed("-m", "linod_systemd.cli", *words.split())
    typed("-m", "linod_systemd.cli", "jobs", "--export")
    typed("-c", TRANSACTIONS)
    assert "linod_systemd_job" in tables(tmp_path / "jobs.sqlite3")
    assert not [name for name in tables(tmp_path / "default.sqlite3") if name.startswith("linod_systemd_job")]
    assert not (tmp_path / "replica.sqlite3").exists(), "no question went to the replica"


def test_a_missing_file_is_not_made_empty(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite3").rename(tmp_path / "away")
    typed("-m", "linod_systemd.run", "clear_seen_messages")
    assert not (tmp_path / "jobs.sqlite3").exists()
    (tmp_path / "away").rename(tmp_path / "jobs.sqlite3")
    typed("-m", "linod_systemd.run", "clear_seen_messages")
    assert len(json.loads(typed("-m", "linod_systemd.cli", "jobs", "--json"))) == 2
