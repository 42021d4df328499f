"""Make the process of a job what its procedure may expect, whichever way the run was started.

The rest comes from elsewhere: environment and limits from the unit (site.conf.j2), or what stands in for it
(sites/site_user.py); a warm job has taken them on (forkserver/adopt.py).
"""

from __future__ import annotations

import os
import signal
import sys

UMASK = 0o027  # UMask= of site.conf.j2
IGNORED = {signal.SIGPIPE, signal.SIGXFSZ}  # as python has them at its start


def begin_as_unit(directory: str) -> None:
    """Give this process what a unit would, before it loads the site; nothing to be done in a unit.

    :param directory: that of the site: no modules are imported from where somebody happened to be.
    """
    if "LINOD_BOOT_ID" in os.environ:
        return
    os.umask(UMASK)
    here = os.getcwd()
    if here != directory:
        sys.path[:] = [place for place in sys.path if place not in ("", here)]


def settle(rule: str) -> None:
    """Give this process no terminal to read, python's own signals, and one command line.

    What a site or a library ignored as it was loaded would be inherited by each program that a job starts;
    python then cannot tell how that ended (SIGCHLD).
    """
    _close_stdin()
    for number in signal.valid_signals():
        ignored = signal.getsignal(number) == signal.SIG_IGN
        if number in IGNORED and not ignored:
            signal.signal(number, signal.SIG_IGN)
        elif number not in IGNORED and ignored:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    sys.argv = ["linod-run", rule]


def _close_stdin() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    if nothing != 0:
        os.close(nothing)
