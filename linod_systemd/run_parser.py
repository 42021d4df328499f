"""What ``linod-run`` may be told, for its help and its manual page.

run.py reads the command line itself, as argparse would cost each job 10 ms.
"""

from __future__ import annotations

import argparse


def parser() -> argparse.ArgumentParser:
    """The parser, which says the same as run.parse()."""
    result = argparse.ArgumentParser(
        prog="linod-run",
        description="Run one rule now, whether cancelled or not. As root: in its own unit, with its output "
        "as it comes; Ctrl-C stops it. With --here, or for anyone else: in this process, as its site's user.",
        epilog="Exit: 0 done, 1 the job failed, 2 no such rule, 75 it is already running.",
    )
    result.add_argument("--site", help="the site (default: the only one, or “default”)")
    result.add_argument("--here", action="store_true", help="in this process, not in the rule's unit")
    result.add_argument(
        "--elapsed",
        metavar="TIME",
        help="as if its timer had elapsed then (ISO 8601, with an offset): it runs only if it is due",
    )
    result.add_argument("rule", metavar="RULE")
    return result
