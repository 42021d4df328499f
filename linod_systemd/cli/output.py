"""The output of commands: for people in a terminal, by rich, or plain in a pipe; for programs, as JSON.

While a command answers in JSON, stdout has that answer alone: text that a site prints goes to stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from linod_systemd.common.text import escape_controls, visible, visible_line

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


def say(text: str) -> None:
    """Print a text that may hold what a job or a person wrote; newlines stay."""
    print(visible(text))


def is_read_by_people() -> bool:
    """Whether stdout is a terminal, or leads to one (site_process.py says so by FORCE_COLOR)."""
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def agrees(question: str) -> bool:
    """Ask a person at the terminal, who agrees by Enter; False where nobody is there."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return input(f"{visible_line(question)} [Y/n] ").strip().lower() in ("", "y", "yes")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print a table: coloured in a terminal, plain in a pipe."""
    if not rows:
        print(empty, file=sys.stderr)
        return
    lines = [[visible_line(" ".join(cell.split())) for cell in row] for row in (columns, *rows)]
    if not is_read_by_people():
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        for line in lines:
            print("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column not in ("reason", "rule"))
    for row in lines[1:]:
        table.add_row(*[Text(cell, style=_style(cell)) for cell in row])
    Console().print(table)


def _style(cell: str) -> str:
    if cell == "success":
        return "green"
    return "red" if cell in ("failed", "timeout", "killed", "lost") else ""
