"""Names and values that became directives, paths or root elsewhere: refused by name, or harmless."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

START = {"procedure": "checkdata", "start_date": "2027-01-01"}
GOOD = {**START, "name": "good", "start_time": "00:00:00", "timezone": "Europe/Brussels"}


SIGNS = ("\n", "\r", "\x85", "\u2028", "\0", "\\\n")


def generate(
    folder: Path, rules: list[dict[str, Any]], site: str = "default", *words: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Type the generator; what it said, and the files that are there."""
    document = {"version": 1, "site": site, "timezone": "UTC", "rules": rules}
    (folder / "rules.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "linod_systemd.units.generate", "--site", site, *words]
    files = ["--rules", str(folder / "rules.json"), "--output", str(folder / "units")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    found = [path for path in (folder / "units").rglob("*") if path.is_file()]
    assert [path for path in found if path.name.startswith(".")] == []
    return done, {path.name: path.read_text() for path in found}


@pytest.mark.parametrize(
    "field", ["name", "procedure", "timezone", "positions", "weekdays", "log_level", "run_after", "end_time"]
)
def test_a_line_break_adds_no_directive(tmp_path: Path, field: str) -> None:
    rules = []
    for number, sign in enumerate(SIGNS):
        text = f"x{sign}[Service]{sign}User=root{sign}ExecStartPre=/bin/touch /tmp/pwned"
        value = [text] if field in ("weekdays", "run_after") else text
        rules.append({**START, "name": f"bad{number}", field: value})
    done, files = generate(tmp_path, [*rules, GOOD])
    assert "linod-good.timer" in files and "pwned" not in "".join(files.values())
    said = done.stderr.splitlines()
    assert done.returncode == 2
    assert {name for name in files if name.endswith(".service") and "@" not in name} == {"linod-good.service"}
    assert len(said) == len(SIGNS), "what is bad is shown escaped, in a line each"


def test_names_are_no_paths(tmp_path: Path) -> None:
    names = ["shop/report", "../../cron.d/x", "a/b", "a-b", "supervisor@default", ".", "", "/"]
    done, files = generate(tmp_path, [{**START, "name": name} for name in names])
    assert done.returncode == 2 and done.stderr.count("impossible name") == 3
    for name in (
        "shop\\x2freport",
        "..\\x2f..\\x2fcron.d\\x2fx",
        "a\\x2fb",
        "a\\x2db",
        "supervisor\\x40default",
    ):
        assert f"linod-{name}.timer" in files, sorted(files)
    assert {path.name for path in tmp_path.iterdir()} == {"rules.json", "units"}
    # Another site, in the same folder: none takes the unit of the other, or removes it.
    before = {name for name in files if name.startswith("linod-shop\\x2f")}
    _, both = generate(tmp_path, [{**START, "name": "report"}], "shop")
    assert "linod-shop-report.timer" in both and before <= both.keys()
    _, without = generate(tmp_path, [], "shop")
    assert "linod-shop-report.timer" not in without and set(files) <= without.keys()


def test_one_bad_zone_stops_no_other_rule(tmp_path: Path) -> None:
    zones = [
        *("America/New_Yrok", "../../etc/passwd", "/etc/passwd", "America", "A" * 400, "leapseconds"),
        *("Europe/Brussels\n", "europe/brussels"),
    ]
    rules = [{**START, "name": f"z{number}", "timezone": zone} for number, zone in enumerate(zones)]
    done, files = generate(tmp_path, [*rules, GOOD])
    assert done.returncode == 2
    timers = {name for name in files if name.endswith(".timer")}
    assert timers == {"linod-good.timer", "linod@default.timer", "linod@default.logrotate.timer"}
    for rule in rules:
        assert f"rule '{rule['name']}': timezone" in done.stderr
    assert "did you mean America/New_York" in done.stderr and "did you mean Europe/Brussels" in done.stderr


@pytest.mark.parametrize("user", ["0day", "nosuchuser", "", "root", "1000", "lino\nUser=root", None])
def test_a_user_that_is_none_gets_no_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str | None
) -> None:
    monkeypatch.setenv("LINOD_ROOT", str(tmp_path))
    (tmp_path / "etc/linod").mkdir(parents=True)
    values = {"user": user, "settings": "shop.settings", "python": "/usr/bin/python3", "directory": "/srv"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if value is not None]
    (tmp_path / "etc/linod/shop.toml").write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "linod_systemd.units.generate", "--output", str(tmp_path / "units")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "shop" in done.stderr and ": " in done.stderr and "Traceback" not in done.stderr
    assert list((tmp_path / "units").glob("linod-shop*")) == []
