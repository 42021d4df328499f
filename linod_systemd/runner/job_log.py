"""Send the records of a running job to journald, lino.log, its message and, by hand, to the terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from linod_systemd import app_settings
from linod_systemd.common.logfile import LinoLogHandler
from linod_systemd.common.text import visible
from linod_systemd.runner.capture import Capture
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.job import Job
from linod_systemd.systemd import journal


@contextlib.contextmanager
def attached(site: config.Site, job: Job, level: int, *, to_stderr: bool) -> Iterator[Capture]:
    """Attach the handlers of a job to the root logger; gives what will become its message.

    :param level: the least level that is captured and logged.
    :param to_stderr: for a run by hand; in a unit stderr is the journal, which has the records already.
    """
    captured = Capture(level, app_settings.get("LINOD_MESSAGE_CHARACTERS") // 2)
    captured.addFilter(lambda record: record.name != "linod.execute")
    fields = {"LINOD_SITE": site.name, "LINOD_RULE": job.rule_name, "LINOD_JOB": str(job.pk or job.uuid)}
    if job.invocation_id:
        fields["LINOD_INVOCATION"] = job.invocation_id
    lino_log = LinoLogHandler(site.log_file, rule_store.current().formatter())
    handlers: list[logging.Handler] = [captured, journal.Handler(fields), lino_log]
    if to_stderr:
        handlers.append(_terminal())
    root = logging.getLogger()
    before = root.level
    root.setLevel(min(level, logging.INFO))
    for handler in handlers[1:]:
        handler.setLevel(min(level, logging.INFO))
    for handler in handlers:
        root.addHandler(handler)
    try:
        with _alone(site.log_file):
            yield captured
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


@contextlib.contextmanager
def _alone(log_file: Path) -> Iterator[None]:
    """Without those handlers of the site's loggers that would say a second time what ours say: on the
    terminal or the journal behind it, and in lino.log."""
    detached = []
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger) and logger.propagate:
            detached += [
                (logger, handler) for handler in logger.handlers if _says_the_same(handler, log_file)
            ]
    for logger, handler in detached:
        logger.removeHandler(handler)
    try:
        yield
    finally:
        for logger, handler in detached:
            logger.addHandler(handler)


def _says_the_same(handler: logging.Handler, log_file: Path) -> bool:
    if isinstance(handler, logging.FileHandler):
        return handler.baseFilename == str(log_file)
    return isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.stderr)


class _VisibleFormatter(logging.Formatter):
    """For a terminal, which would obey the control characters of a record."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def _terminal() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_VisibleFormatter("%(levelname)s %(message)s"))
    return handler
