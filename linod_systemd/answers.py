"""Where answers go that programs read: stdout, and nothing else goes there, whatever a site prints."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from linod_systemd.visible import escape_controls

_answers: TextIO | None = None


@contextlib.contextmanager
def apart(*, for_good: bool = False) -> Iterator[None]:
    """Meanwhile what is printed, also by a C library or by a child, goes to stderr.

    :param for_good: and afterwards: this process ends with the command, and a site may print as it ends.
    """
    global _answers
    before = sys.stdout
    if before is not sys.__stdout__ or before is None:  # somebody collects it in this process
        _answers = before
        try:
            with contextlib.redirect_stdout(sys.stderr):
                yield
        finally:
            _answers = None
        return
    before.flush()
    kept = os.dup(before.fileno())
    os.dup2(sys.stderr.fileno(), before.fileno())
    _answers = os.fdopen(kept, "w", encoding="utf-8", closefd=False)
    try:
        yield
    finally:
        if not for_good:
            before.flush()
            os.dup2(kept, before.fileno())
            os.close(kept)
            _answers = None


def give_json(value: object, *, in_one_line: bool = False) -> None:
    """Give a value as JSON: control characters are escaped as JSON does, so that none is lost.

    :raises BrokenPipeError: where nobody reads on.
    """
    text = json.dumps(value, ensure_ascii=False, indent=None if in_one_line else 1)
    print(escape_controls(text), file=_answers or sys.stdout, flush=True)


def nobody_reads() -> None:
    """`linod jobs | head`: that is no error, nor is the flush at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, _answers):
        if stream is not None:
            os.dup2(nowhere, stream.fileno())
