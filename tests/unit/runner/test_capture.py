"""What becomes the message of a job is bounded, and says what was cut."""

from __future__ import annotations

import logging

from hypothesis import given
from hypothesis import strategies as st

from linod_systemd.runner.capture import Capture


def record(text: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("x", level, "", 0, text, (), None)


def test_short_message_is_whole() -> None:
    captured = Capture(logging.INFO, half=1000)
    captured.handle(record("one"))
    captured.handle(record("two\nlines"))
    assert captured.text() == "one\ntwo\nlines"


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60), max_size=60))
def test_long_message_keeps_both_ends_and_counts_the_rest(lines: list[str]) -> None:
    captured = Capture(logging.INFO, half=100)
    for line in lines:
        captured.add(line)
    whole = "".join(line + "\n" for line in lines)
    if len(whole) <= 200:
        assert captured.text() == whole.rstrip("\n")
        return
    assert captured.text().startswith(whole[:100])
    assert captured.text().endswith(whole[-100:].rstrip("\n"))
    assert f"{len(whole) - 200} characters cut" in captured.text()


def test_what_postgresql_refuses_is_escaped() -> None:
    captured = Capture(logging.INFO, half=1000)
    captured.add("a\0b\udc80c")
    assert captured.text() == "a\\x00b\\udc80c"
