"""Make text of jobs and rules visible and harmless: a terminal obeys no control character of it."""

from __future__ import annotations

import codecs
import re

# C0 but for tab and newline, DEL, C1 (which has a CSI of its own), what starts a line without \n, the
# controls of writing direction (Unicode UAX #9), and halves of surrogate pairs, which no UTF-8 has.
CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
OWN_COLOURS = r"\x1b\[(?:0|1|31|32|1;31|1;32)m"  # of rich, for the cells of a table
_BEGUN = re.compile(r"(?:\x1b(?:\[[0-9;]{0,4})?|\r)\Z")
_CONTROL = re.compile(f"[{CONTROLS}]")


def storable(text: str) -> str:
    """The text as PostgreSQL takes it, which has no NUL and no lone surrogate."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")


def visible(text: str) -> str:
    """The text with each control character as ``\\x1b``; tabs and newlines stay."""
    return _CONTROL.sub(lambda sign: f"\\x{ord(sign.group()):02x}", text)


def visible_line(text: str) -> str:
    """Make a text visible in one line."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


class Screen:
    """Output of another user's process, part by part, as root's terminal may have it.

    Tables keep their colours (``OWN_COLOURS``); each other control character is shown as ``\\x1b``.

    :param is_terminal: whether the process has a terminal: then it may go back in a line, and ring.
    """

    def __init__(self, *, is_terminal: bool = False) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._left = OWN_COLOURS + (r"|[\r\b\a]" if is_terminal else r"|\r\n")
        self._kept = ""

    def show(self, part: bytes, *, is_last: bool = False) -> str:
        """Return the text for a part of the output; half of an escape sequence waits for the next part."""
        text = self._kept + self._decoder.decode(part, final=is_last)
        begun = None if is_last else _BEGUN.search(text)
        at = begun.start() if begun else len(text)
        text, self._kept = text[:at], text[at:]
        pieces = re.split(f"({self._left})", text)  # every second one is left as it is
        return "".join(piece if number % 2 else visible(piece) for number, piece in enumerate(pieces))


def escape_controls(text: str) -> str:
    """JSON whose control characters are escaped as JSON does, so that none is lost."""
    return _CONTROL.sub(lambda sign: f"\\u{ord(sign.group()):04x}", text)
