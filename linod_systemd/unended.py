"""The mark of a run whose row has not ended.

PID 1 makes it (RuntimeDirectory= of the job's unit) before it starts the process, and who has ended the
row removes it. Where it is left over, OnSuccess= starts what writes the end: also an os._exit(0) of a
procedure, which systemd takes for a success, leaves no row that runs for ever.
"""

from __future__ import annotations

import os
from pathlib import Path

from linod_systemd import conf, unitnames


def clear(site: conf.Site, rule: str) -> None:
    """Note that the row of this unit's run has its end.

    :raises OSError: where the mark cannot be removed.
    """
    unit = unitnames.service(site.unit_prefix, rule).removesuffix(".service")
    for folder in os.environ.get("RUNTIME_DIRECTORY", "").split(":"):
        if Path(folder).name == unit and Path(folder).is_dir():
            os.rmdir(folder)
