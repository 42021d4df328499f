"""What people read in a terminal, by rich; plain and whole lines where it is not one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from linod_systemd.visible import visible, visible_line


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
