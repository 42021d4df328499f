"""What a job or a rule says, so that a reader sees what is there and a terminal obeys none of it."""

from __future__ import annotations

import re

# C0 but for tab and newline, DEL, C1 (which has a CSI of its own), what starts a line without \n, the
# controls of writing direction (Unicode UAX #9), and halves of surrogate pairs, which no UTF-8 has.
CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[{CONTROLS}]")


def storable(text: str) -> str:
    """The text as PostgreSQL takes it, which has no NUL and no lone surrogate."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def visible(text: str) -> str:
    """The text with each control character as ``\\x1b``; tabs and newlines stay."""
    return _CONTROL.sub(lambda sign: f"\\x{ord(sign.group()):02x}", text)


def visible_line(text: str) -> str:
    """The same in one line."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def escape_controls(text: str) -> str:
    """JSON whose control characters are escaped as JSON does, so that none is lost."""
    return _CONTROL.sub(lambda sign: f"\\u{ord(sign.group()):04x}", text)
