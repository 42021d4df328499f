"""lino.log under many writers, while logrotate's rename happens."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from linod_systemd.common.logfile import FORMAT, LinoLogHandler, one_record

WRITERS, RECORDS = 16, 5000
WRITE = """
import logging, sys
from pathlib import Path
from linod_systemd.common.logfile import FORMAT, LinoLogHandler
logger = logging.getLogger("writer")
logger.setLevel("INFO")
logger.propagate = False
logger.addHandler(LinoLogHandler(Path(sys.argv[1]), logging.Formatter(FORMAT)))
for number in range(int(sys.argv[3])):
    logger.info("writer %s record %d %s", sys.argv[2], number, "x" * (number % 300))
"""


def rename(path: Path, number: int) -> None:
    path.rename(path.with_name(f"lino.log.{number}"))


def logrotate(path: Path, number: int) -> None:
    """The real one, with the words of units/logrotate.conf.j2."""
    configuration = path.parent.parent / "logrotate.conf"
    configuration.write_text(f"{path} {{\n rotate 1000\n missingok\n notifempty\n nocreate\n}}\n")
    state = path.parent.parent / "logrotate.state"
    subprocess.run(["logrotate", "--force", "--state", str(state), str(configuration)], check=True)


@pytest.mark.parametrize("rotate", [rename, pytest.param(logrotate, marks=pytest.mark.long)])
def test_eighty_thousand_whole_lines_while_it_is_rotated(
    tmp_path: Path, rotate: Callable[[Path, int], None]
) -> None:
    (tmp_path / "log").mkdir(mode=0o755)
    path = tmp_path / "log" / "lino.log"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(path), str(number), str(RECORDS)])
        for number in range(WRITERS)
    ]
    rotated = 0
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            rotate(path, rotated)
            rotated += 1
        time.sleep(0.2)
    assert [writer.returncode for writer in writers] == [0] * WRITERS
    lines = [line for file in path.parent.iterdir() for line in file.read_text().splitlines()]
    pattern = re.compile(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO \[writer \d+\] : writer (\d+) record (\d+) (x*)"
    )
    seen = set()
    for line in lines:
        match = pattern.fullmatch(line)
        assert match, line
        assert len(match[3]) == int(match[2]) % 300
        seen.add((int(match[1]), int(match[2])))
    assert rotated >= 2
    assert len(lines) == len(seen) == WRITERS * RECORDS


def test_newline_cannot_forge_a_record(tmp_path: Path) -> None:
    path = tmp_path / "lino.log"
    handler = LinoLogHandler(path, logging.Formatter(FORMAT))
    forged = "2026-11-24 00:00:00,000 INFO [x 1] : forged"
    handler.handle(
        logging.LogRecord("x", logging.INFO, "", 0, f"hello\r\n{forged}\x1b[0m\u2028{forged}", (), None)
    )
    handler.close()
    assert len([line for line in path.read_text().splitlines() if line.startswith("2026-11-24 00:00")]) == 0
    assert "\\x0d" in path.read_text() and "\\x1b" in path.read_text() and "\\x2028" in path.read_text()


def test_one_record_is_one_write() -> None:
    assert one_record("a\nb") == "a\n    b\n"
    assert one_record("a\tb") == "a\tb\n"


def test_full_disk_is_told() -> None:
    code = WRITE.replace("Path(sys.argv[1])", "Path('/dev/full')")
    done = subprocess.run([sys.executable, "-c", code, "-", "1", "1"], capture_output=True, text=True)
    assert "No space left on device" in done.stderr
