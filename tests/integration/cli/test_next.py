"""``linod next`` and ``linod explain`` on a rules.json, in a pipe and in a terminal; no site is there."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

LINOD = str(Path(sys.executable).parent / "linod")
BEGUN = "2026-01-31"
WORKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]
RULES: list[dict[str, Any]] = [
    {"name": "report", "every_unit": "weekly", "every": 2, "start_time": "04:00", "end_date": "2027-12-31"},
    {"name": "nightly", "start_time": "02:30:00"},
    {"name": "bills", "every_unit": "monthly", "start_time": "08:00:00", "weekdays": WORKDAYS},
    {"name": "poll", "every_unit": "secondly", "every": 7, "start_date": "2099-01-01"},
    {"name": "ended", "end_date": "2026-03-01"},
    {"name": "moved_in", "every_unit": "once"},
    {"name": "by_hand", "every_unit": "never"},
    {"name": "off", "cancelled": True},
    {"name": "bad", "colour": "red"},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.json"
    rules = [{"start_date": BEGUN, **rule} for rule in RULES]
    path.write_text(json.dumps({"version": 1, "site": "shop", "timezone": "Europe/Brussels", "rules": rules}))
    return path


def typed(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "no.such"}
    return subprocess.run(
        [LINOD, *words, "--rules", str(file)], capture_output=True, text=True, env=environment
    )


def in_terminal(file: Path, columns: int, *words: str) -> list[str]:
    """The lines that a terminal of so many columns shows, without colours."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [LINOD, *words, "--rules", str(file)],
        stdin=its,
        stdout=its,
        stderr=its,
        env={**environment, "TERM": "xterm-256color"},
    )
    os.close(its)
    shown = b""
    try:
        while data := os.read(ours, 65536):
            shown += data
    except OSError:  # EIO: the other side is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(timeout=30) == 0, shown.decode()
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in shown.decode().splitlines()]


def test_neither_django_nor_a_site_is_needed(file: Path) -> None:
    for command in ("next", "explain"):
        script = (
            "import sys; from linod_systemd.cli import main; "
            f"code = main.main([{command!r}, 'nightly', '--rules', {str(file)!r}]); "
            "sys.exit(code or sorted(name for name in sys.modules if name.startswith('django')))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        assert done.stderr.strip() in ("", "[]"), done.stderr
        assert done.stdout


def test_pipe_gets_one_instant_a_line_and_nothing_else(file: Path) -> None:
    done = typed(file, "next", "nightly", "-n", "2", "--from", "2027-03-27T12:00:00+00:00")
    assert done.stdout == "2027-03-28T01:30:00+00:00\n2027-03-29T00:30:00+00:00\n"
    assert done.stderr == ""


def test_terminal_shows_what_is_special_and_where_it_comes_from(file: Path) -> None:
    lines = in_terminal(file, 120, "next", "nightly", "-n", "3", "--from", "2027-03-26T12:00:00+00:00")
    assert lines[:6] == [
        "every day at 02:30, Europe/Brussels",
        "",
        "2027-03-27T01:30:00+00:00  Sat 27 Mar 02:30 CET",
        "2027-03-28T01:30:00+00:00  Sun 28 Mar 03:30 CEST  shifted by summer time: 02:30 does not exist",
        "2027-03-29T00:30:00+00:00  Mon 29 Mar 02:30 CEST",
        "",
    ]
    assert lines[6] == "OnCalendar=*-*-* 02:30:00 Europe/Brussels"
    assert re.fullmatch(r"good until \d+ \w+ \d{4}, made anew before that", lines[-1])


def test_narrow_terminal_cuts_nothing_off(file: Path) -> None:
    words = ("next", "bills", "-n", "4", "--from", "2027-01-01")
    wide, narrow = in_terminal(file, 200, *words), in_terminal(file, 80, *words)
    assert max(map(len, narrow)) <= 80
    assert sorted("".join(narrow).replace(" ", "")) == sorted("".join(wide).replace(" ", ""))
    assert "last day of a shorter month, moved from Sunday 28 February to Monday 1 March" in " ".join(wide)


def test_terminal_shows_a_monotonic_timer(file: Path) -> None:
    lines = in_terminal(file, 120, "next", "poll", "-n", "2")
    assert lines == [
        "every 7 seconds after the previous start, Europe/Brussels, from 1 January 2099 at 00:00",
        "",
        "2098-12-31T23:00:00+00:00  Thu  1 Jan 00:00:00 CET",
        "2098-12-31T23:00:07+00:00  Thu  1 Jan 00:00:07 CET",
        "",
        "OnCalendar=2098-12-31 23:00:00 UTC",
        "OnUnitActiveSec=7s",
        "good until 1 January 2099, made anew before that",
    ]


def test_json_is_the_same_in_a_terminal(file: Path) -> None:
    words = ("next", "report", "-n", "2", "--json", "--from", "2027-01-01")
    assert "\n".join(in_terminal(file, 80, *words)) + "\n" == typed(file, *words).stdout
    assert json.loads(typed(file, *words).stdout) == [
        "2027-01-02T03:00:00+00:00",
        "2027-01-16T03:00:00+00:00",
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("ended", "ended: nothing due: it ended on 1 March 2026\n"),
        ("moved_in", "moved_in: nothing due: it ended on 31 January 2026\n"),
        ("by_hand", "by_hand: never due by itself\n"),
        ("off", "off: nothing due: it is cancelled; again: linod enable off\n"),
    ],
)
def test_why_nothing_is_due_is_told_to_people(file: Path, rule: str, said: str) -> None:
    done = typed(file, "next", rule)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", said)
    assert typed(file, "next", rule, "--json").stdout == "[]\n"
    assert in_terminal(file, 80, "next", rule) == [said.strip()]


def test_before_the_start_and_after_the_end(file: Path) -> None:
    assert typed(file, "next", "report", "--from", "0001-01-01").stdout == "2026-01-31T03:00:00+00:00\n"
    assert typed(file, "next", "report", "--from", "2026-01-31T04:00:00+01:00").stdout.startswith(
        "2026-02-14"
    )
    done = typed(file, "next", "report", "--from", "9999-12-31T23:59:59")
    assert (done.stdout, done.stderr) == ("", "report: nothing due: it ends on 31 December 2027\n")
    done = typed(file, "next", "nightly", "--from", "9999-12-31T23:59:59")
    assert (done.stdout, done.stderr) == ("", "nightly: nothing due: time is counted to the year 9998\n")


def test_explain(file: Path) -> None:
    wanted = "every second Saturday at 04:00, Europe/Brussels, until 31 December 2027"
    assert typed(file, "explain", "report").stdout == wanted + "\n"
    assert json.loads(typed(file, "explain", "report", "--json").stdout) == {
        "rule": "report",
        "explanation": wanted,
    }
    assert in_terminal(file, 120, "explain", "report") == [wanted]
    assert typed(file, "explain", "off").stdout == "cancelled: every day at 00:00, Europe/Brussels\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("next", "nihgtly"), 2, "did you mean nightly"),
        (("explain", "nihgtly"), 2, "did you mean nightly"),
        (("explain", "zzz"), 2, "it has report, nightly, bills"),
        (("explain", "bad"), 2, "rule 'bad' has the unknown key 'colour': remove it"),
        (("next", "colour"), 2, "no rule is named 'colour'"),
        (("next", "nightly", "-n", "0"), 2, "'0' is no whole number from 1 to 100000"),
        (("next", "nightly", "-n", "-3"), 2, "'-3' is no whole number from 1 to 100000"),
        (("next", "nightly", "-n", "1" + "0" * 5000), 2, "is no whole number from 1 to 100000"),
        (("next", "nightly", "--from", "0001-01-01T00:00+14:00"), 2, "beyond the years 1 to 9999"),
    ],
)
def test_bad_input_is_named(file: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = typed(file, *words)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (code, "", False)
    assert said in done.stderr


def test_missing_file_is_named(tmp_path: Path) -> None:
    done = typed(tmp_path / "none.json", "explain", "nightly")
    assert done.returncode == 2
    assert "none.json cannot be read" in done.stderr and "name a rules.json" in done.stderr
