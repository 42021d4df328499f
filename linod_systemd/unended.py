"""The mark by which systemd sees that the row of a run has its end.

PID 1 makes the folder ``runs/UNIT`` of a job's unit (RuntimeDirectory=), into which the site's user writes.
The process that has ended the row leaves a file there; where it is missing, OnSuccess= starts the process
that writes the end: also an os._exit(0) of a procedure, which systemd takes for a success, leaves no row that
runs for ever. The client or, in a cold run, linod-run removes the file of the run before (client.begin_run).
"""

from __future__ import annotations

import os
from pathlib import Path

from linod_systemd import client, conf, unitnames


def clear(site: conf.Site, rule: str) -> None:
    """Note that the row of this unit's run has its end.

    :raises OSError: where the mark cannot be written.
    """
    unit = unitnames.service(site.unit_prefix, rule).removesuffix(".service")
    for folder in os.environ.get("RUNTIME_DIRECTORY", "").split(":"):
        if Path(folder).name == unit and Path(folder).is_dir():
            Path(folder, client.ENDED_MARK).touch()
