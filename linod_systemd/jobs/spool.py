"""Keep rows and ends that the database cannot take now: one JSON file each, in order.

Nothing here imports Django: of a site that does not load, too, it is noted how its jobs end.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from linod_systemd.common import files
from linod_systemd.errors import LinodError
from linod_systemd.sites import config
from linod_systemd.systemd.service_result import ServiceResult

logger = logging.getLogger("linod.spool")

ROW, END = "row", "end"  # a row as it is now; what systemd said of the end of an invocation


class SpoolError(LinodError):
    """Neither the database nor the spool can be written."""


def put_row(site: config.Site, uuid: str, start: datetime, values: Mapping[str, Any], *, judge: bool) -> None:
    """Keep a row as it is now, in place of an earlier state of it.

    :param judge: whether its end is to be followed by what follows a bad end.
    :raises SpoolError: where it cannot be written.
    """
    _put(site, start, uuid, {"kind": ROW, "judge": judge, "row": dict(values)})


def put_end(site: config.Site, rule: str, result: ServiceResult, message: str, ended: datetime) -> None:
    """Keep how systemd says that an invocation of a rule's service ended.

    :raises SpoolError: where it cannot be written.
    """
    record = {"kind": END, "rule": rule, "monitored": result.as_environment()}
    record |= {"message": message, "ended": ended.isoformat()}
    _put(site, ended, f"{result.invocation_id}-end", record)


def _put(site: config.Site, instant: datetime, key: str, record: Mapping[str, Any]) -> None:
    name = f"{int(instant.timestamp() * 1e6):020d}-{key}.json"
    text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    with locked(site):
        for folder in folders(site):
            try:
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                files.write_atomically(folder / name, text, mode=0o640)
                return
            except OSError as error:
                trouble = error
                logger.error("%s cannot be written (%s)", folder / name, error.strerror)
    raise SpoolError(
        f"what happened to a job cannot be kept in {site.spool_directory} ({trouble.strerror})",
        "make room on its disk",
    ) from trouble


def folders(site: config.Site) -> tuple[Path, Path]:
    """Where records lie: on the disk and, where that is full, in memory."""
    return site.spool_directory, site.runtime_directory / "spool"


def waiting(site: config.Site) -> list[Path]:
    """The files that wait, oldest first; of two states of one row the later one last."""
    found = [path for folder in folders(site) for path in folder.glob("*.json")]
    return sorted(found, key=lambda path: path.name)


def read(path: Path) -> dict[str, Any]:
    """:raises ValueError: for what is no record."""
    record = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(record, dict) or record.get("kind") not in (ROW, END):
        raise ValueError("it is neither a row nor an end")
    return record


def remove(path: Path) -> None:
    """Forget what is in the database now, for good."""
    path.unlink()
    files.sync_directory(path.parent)


def set_aside(path: Path, reason: Exception) -> None:
    """Let what cannot be understood not keep the others from being written."""
    aside = path.with_suffix(".bad")
    path.rename(aside)
    logger.error("%s cannot be taken into the database: %s", aside, reason)


@contextmanager
def locked(site: config.Site) -> Iterator[None]:
    """Hold the spool, so that nothing is removed that has just been written anew.

    :raises ConfigurationError: where the state folder is missing.
    """
    config.ensure_directories(site)
    with files.locked_directory(site.state_directory):
        yield
