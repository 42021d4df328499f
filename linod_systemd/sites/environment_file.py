"""Read a file of variables as systemd reads EnvironmentFile= (systemd.exec(5)), in every line.

The states are those of systemd's own reader (src/basic/env-file.c). The one difference between its versions,
a comment that ends with a backslash, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from linod_systemd.common import files
from linod_systemd.errors import ConfigurationError

MOST_BYTES = 2**20
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
NEWLINE, BLANK, COMMENT = "\n\r", " \t\n\r", "#;"
UNESCAPED = '"\\`$'  # the characters before which a backslash goes, within double quotes


class _State(Enum):
    PRE_KEY = auto()
    KEY = auto()
    PRE_VALUE = auto()
    VALUE = auto()
    VALUE_ESCAPE = auto()
    SINGLE_QUOTES = auto()
    DOUBLE_QUOTES = auto()
    DOUBLE_QUOTES_ESCAPE = auto()
    COMMENT = auto()
    COMMENT_ESCAPE = auto()


@dataclass
class EnvironmentFile:
    """``values``: name → value; ``dropped``: the lines (from 1) that systemd drops, with their beginning."""

    values: dict[str, str] = field(default_factory=dict)
    dropped: list[tuple[int, str]] = field(default_factory=list)


def read(path: str) -> EnvironmentFile:
    """:raises ConfigurationError: where the file cannot be read, or systemd would refuse it."""
    try:
        text = files.read_plain(Path(path), MOST_BYTES).decode()
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the environment_file {path} cannot be read ({error})", "correct it"
        ) from error
    try:
        return parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{path}: {error}", "correct the file") from error


def parse(text: str) -> EnvironmentFile:
    """:raises ValueError: for what systemd's versions read in different ways."""
    return _Parser().parse(text)


class _Parser:
    def __init__(self) -> None:
        self.found = EnvironmentFile()
        self.line, self.began = 1, 1
        self.key, self.value = "", ""
        self.kept = 0  # so much of the value stays when blanks at its end go
        self.steps: dict[_State, Callable[[str], _State]] = {
            _State.PRE_KEY: self._pre_key,
            _State.KEY: self._key,
            _State.PRE_VALUE: self._pre_value,
            _State.VALUE: self._value,
            _State.VALUE_ESCAPE: self._value_escape,
            _State.SINGLE_QUOTES: self._single_quotes,
            _State.DOUBLE_QUOTES: self._double_quotes,
            _State.DOUBLE_QUOTES_ESCAPE: self._double_quotes_escape,
            _State.COMMENT: self._comment,
            _State.COMMENT_ESCAPE: self._comment_escape,
        }

    def parse(self, text: str) -> EnvironmentFile:
        state = _State.PRE_KEY
        for sign in text:
            state = self.steps[state](sign)
            self.line += sign == "\n"
        if state is _State.KEY:
            self._drop()
        elif state not in (_State.PRE_KEY, _State.COMMENT, _State.COMMENT_ESCAPE):
            self._push(strips=state is _State.VALUE)
        return self.found

    def _pre_key(self, sign: str) -> _State:
        if sign in COMMENT:
            return _State.COMMENT
        if sign in BLANK:
            return _State.PRE_KEY
        self.key, self.value, self.kept, self.began = sign, "", 0, self.line
        return _State.KEY

    def _key(self, sign: str) -> _State:
        if sign in NEWLINE:
            self._drop()
            return _State.PRE_KEY
        if sign == "=":
            return _State.PRE_VALUE
        self.key += sign
        return _State.KEY

    def _pre_value(self, sign: str) -> _State:
        if sign in NEWLINE:
            self._push(strips=False)
            return _State.PRE_KEY
        if sign in BLANK:
            return _State.PRE_VALUE
        quotes = {"'": _State.SINGLE_QUOTES, '"': _State.DOUBLE_QUOTES, "\\": _State.VALUE_ESCAPE}
        if sign in quotes:
            return quotes[sign]
        return self._add(sign, _State.VALUE)

    def _value(self, sign: str) -> _State:
        if sign in NEWLINE:
            self._push(strips=True)
            return _State.PRE_KEY
        if sign == "\\":
            self.kept = len(self.value)
            return _State.VALUE_ESCAPE
        if sign in BLANK:
            self.value += sign
            return _State.VALUE
        return self._add(sign, _State.VALUE)

    def _value_escape(self, sign: str) -> _State:
        return _State.VALUE if sign in NEWLINE else self._add(sign, _State.VALUE)

    def _single_quotes(self, sign: str) -> _State:
        return _State.PRE_VALUE if sign == "'" else self._add(sign, _State.SINGLE_QUOTES)

    def _double_quotes(self, sign: str) -> _State:
        if sign == '"':
            return _State.PRE_VALUE
        return _State.DOUBLE_QUOTES_ESCAPE if sign == "\\" else self._add(sign, _State.DOUBLE_QUOTES)

    def _double_quotes_escape(self, sign: str) -> _State:
        if sign == "\n":
            return _State.DOUBLE_QUOTES
        return self._add(sign if sign in UNESCAPED else f"\\{sign}", _State.DOUBLE_QUOTES)

    def _comment(self, sign: str) -> _State:
        if sign == "\\":
            return _State.COMMENT_ESCAPE
        return _State.PRE_KEY if sign in NEWLINE else _State.COMMENT

    def _comment_escape(self, sign: str) -> _State:
        if sign in NEWLINE:
            raise ValueError(
                f"line {self.line} is a comment that ends with a backslash: systemd before 254 takes the "
                "next line for a part of it, later ones do not"
            )
        return _State.COMMENT

    def _add(self, sign: str, state: _State) -> _State:
        self.value += sign
        self.kept = len(self.value)
        return state

    def _push(self, *, strips: bool) -> None:
        key = self.key.rstrip(BLANK)
        if NAME.match(key) is None:
            self._drop()
            return
        self.found.values[key] = self.value[: self.kept] if strips else self.value

    def _drop(self) -> None:
        self.found.dropped.append((self.began, self.key))
