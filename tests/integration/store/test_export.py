"""The border: rules.json follows the rows, on commit, whoever changes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from linod_systemd.django_store import DjangoStore
from linod_systemd.errors import ConfigurationError
from linod_systemd.models import JobRule
from linod_systemd.sites import config, requests
from linod_systemd.store import export, rule_store
from linod_systemd.store.choices import CancelledBy
from linod_systemd.tasks import Tasks

pytestmark = pytest.mark.django_db(transaction=True)


def rules() -> dict[str, dict[str, Any]]:
    text = config.this_site().rules_file.read_text()
    return {rule["name"]: rule for rule in json.loads(text)["rules"]}


@pytest.fixture(autouse=True)
def _set_up() -> None:
    Tasks().setup()
    export.export()
    requests.take(config.this_site().request_directory)


def test_every_way_to_change_a_rule_is_exported() -> None:
    def marked() -> bool:
        there = [path.name for path in config.this_site().request_directory.iterdir()]
        requests.take(config.this_site().request_directory)
        return there == [requests.EXPORT]

    rule = JobRule.objects.get(name="checkdata")
    rule.timeout = 5
    rule.save()
    assert marked() and rules()["checkdata"]["timeout"] == 5
    JobRule.objects.filter(name="checkdata").update(timeout=6)
    assert marked() and rules()["checkdata"]["timeout"] == 6
    JobRule.objects.filter(name="checkdata").cancel(CancelledBy.PERSON)
    assert marked() and rules()["checkdata"]["cancelled"] is True
    JobRule.objects.bulk_create([JobRule(name="made", procedure="checkdata")])
    assert marked() and "made" in rules()
    JobRule.objects.bulk_update([JobRule(pk=rule.pk, timeout=7)], ["timeout"])
    assert marked() and rules()["checkdata"]["timeout"] == 7
    JobRule.objects.filter(name="made").delete()
    assert marked() and "made" not in rules()
    rule.delete()
    assert marked() and "checkdata" not in rules()


def test_only_what_is_committed_is_exported() -> None:
    with transaction.atomic():
        JobRule.objects.filter(name="checkdata").update(timeout=6)
        assert rules()["checkdata"]["timeout"] == 7200
    assert rules()["checkdata"]["timeout"] == 6
    with pytest.raises(RuntimeError), transaction.atomic():
        JobRule.objects.filter(name="checkdata").update(timeout=8)
        raise RuntimeError
    assert rules()["checkdata"]["timeout"] == 6


def test_change_after_a_savepoint_that_was_rolled_back_is_exported() -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            JobRule.objects.filter(name="checkdata").update(timeout=8)
            raise RuntimeError
        JobRule.objects.filter(name="checkdata").update(timeout=9)
    assert rules()["checkdata"]["timeout"] == 9


def test_unchanged_rules_are_not_written() -> None:
    before = config.this_site().rules_file.stat()
    JobRule.objects.filter(name="checkdata").update(timeout=7200)
    assert export.export() is False
    after = config.this_site().rules_file.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert list(config.this_site().request_directory.iterdir()) == []


def test_many_writers_leave_the_latest_whole() -> None:
    """Processes that change rules at once: the file says in the end what the rows say."""
    script = (
        "import django; django.setup()\n"
        "from linod_systemd.models import JobRule\n"
        "for number in range(15): JobRule.objects.filter(name='checkdata').update(timeout=100 + number)\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.support.on_test_database",
        "LINOD_SITE": "default",
    }
    writers = [subprocess.Popen([sys.executable, "-c", script], env=environment) for _ in range(4)]
    assert [writer.wait() for writer in writers] == [0, 0, 0, 0]
    timeout = JobRule.objects.get(name="checkdata").timeout
    assert rules()["checkdata"]["timeout"] == timeout


def test_state_folder_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LINOD_ROOT", "/proc/nowhere")
    monkeypatch.setattr(rule_store, "_current", DjangoStore())  # the other one knows its site by now
    with pytest.raises(ConfigurationError) as caught:
        export.export()
    assert "/proc/nowhere/var/lib/linod/default" in caught.value.message
    assert "install -d" in caught.value.remedy
    # The change itself is committed, and the trouble told.
    JobRule.objects.filter(name="checkdata").update(timeout=6)
    assert JobRule.objects.get(name="checkdata").timeout == 6
    assert "/proc/nowhere/var/lib/linod/default" in caplog.text


def test_a_process_that_is_older_than_its_site_toml_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a web process that runs while `linod install-site` makes the site; then nothing is read again."""
    monkeypatch.setenv("LINOD_ROOT", str(tmp_path))
    monkeypatch.delenv("LINOD_SITE", raising=False)
    source = DjangoStore()
    assert not source.site.configured
    path = config.site_file("shop")
    path.parent.mkdir(parents=True)
    path.write_text(
        f'user = "{config.user_name()}"\nsettings = "{config.DEMO_SETTINGS}"\npython = "/usr/bin/python3"\n'
        'directory = "/"\nas_root = true\n'
    )
    assert (source.site.name, source.site.configured) == ("shop", True)
    assert source.site is source.site
