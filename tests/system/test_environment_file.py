"""Random files of variables: what we read is what systemd gives a service."""

from __future__ import annotations

import base64
import random

import pytest

from linod_systemd.sites import environment_file
from tests.support.machine import Machine

pytestmark = pytest.mark.long

FILES, LINES = 60, 40
PARTS = [
    *("a", "b c", "  ", "\t", "é", "=", "#", ";", "$", "$X", "${X}", "`", "!", "%", "\x01", "{", "(", "~"),
    *(
        "'",
        '"',
        "\\",
        "\\'",
        '\\"',
        "\\\\",
        "\\$",
        "\\`",
        "\\n",
        "\\t",
        "\\a",
        "\\ ",
        "'a b'",
        '"a b"',
        '"\\$"',
    ),
    *(
        "'a'b",
        '"a" "b"',
        "a'b'",
        'a"b"',
        "'\\'",
        "\\\n",
        '"a\\\nb"',
        "'a\\\nb'",
        '"a\nb"',
        "'\nb'",
        "\r",
        " \\\n ",
    ),
]
KEYS = ["{}", " {}", "{} ", "\t{}", "export {}", "{}-x", "1{}", "{}.y", "{}\\", "", "é{}", "{} z"]


def a_file(chance: random.Random) -> str:
    lines = []
    for number in range(LINES):
        key = chance.choice(["{}"] * 20 + KEYS).format(f"V{number}")
        value = "".join(chance.choice(PARTS) for _ in range(chance.randrange(6)))
        kind = chance.randrange(20)
        if kind == 0:
            lines.append(f"{chance.choice('#; ')}{value.replace(chr(92), '')}")
        elif kind == 1:
            lines.append(value)
        else:
            lines.append(f"{key}{chance.choice(['=', '=', '= ', ' ='])}{value}")
    return "\n".join(lines) + chance.choice(["\n", ""])


def test_systemd_reads_the_same(machine: Machine) -> None:
    chance, compared = random.Random(24), 0  # noqa: S311
    for number in range(FILES):
        text = a_file(chance)
        try:
            mine = environment_file.parse(text).values
        except ValueError:
            continue  # what versions of systemd read in different ways
        machine.write(f"/root/file-{number}", text)
        machine.sh(f"printf '' >/root/out-{number}")
        machine.sh(
            f"systemd-run -q --wait -p EnvironmentFile=/root/file-{number} "
            f"-p StandardOutput=truncate:/root/out-{number} /usr/bin/env -0"
        )
        told = base64.b64decode(machine.sh(f"base64 -w0 /root/out-{number}")).decode()
        given = dict(pair.split("=", 1) for pair in told.split("\0") if "=" in pair)
        its = {name: value for name, value in given.items() if name.startswith("V")}
        assert its == {name: value for name, value in mine.items() if name.startswith("V")}, text
        compared += len(its)
    assert compared > FILES * LINES / 4
