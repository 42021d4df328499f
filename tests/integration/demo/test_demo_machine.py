"""What the settings of the demo site take from the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from linod_systemd.demo.machine import zone_name


def test_processes_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    script = "import sys, pathlib; from linod_systemd.demo.machine import secret_key as k;"
    script += "sys.stdin.read(); print(k(pathlib.Path(sys.argv[1])))"
    command = [sys.executable, "-c", script, str(tmp_path / "new")]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(8)]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    keys = {process.stdout.read() for process in started if process.stdout is not None}
    assert [process.wait(30) for process in started] == [0] * 8
    assert len(keys) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secret_key"]
    assert (tmp_path / "new/secret_key").stat().st_mode & 0o777 == 0o600


def test_reading_the_settings_writes_nothing(tmp_path: Path) -> None:
    folders = {"LINOD_ROOT": str(tmp_path / "root"), "XDG_STATE_HOME": str(tmp_path / "state")}
    script = "import django; django.setup()"
    site = {"DJANGO_SETTINGS_MODULE": "linod_systemd.demo.settings"}
    subprocess.run([sys.executable, "-c", script], env={**os.environ, **folders, **site}, check=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif("zoneinfo/" not in os.path.realpath("/etc/localtime"), reason="no link says the zone")
def test_the_zone_is_the_machines_not_the_shells(monkeypatch: pytest.MonkeyPatch) -> None:
    before = zone_name()
    monkeypatch.setenv("TZ", "Asia/Tokyo" if before != "Asia/Tokyo" else "UTC")
    assert zone_name() == before
