"""Send the records of a running job to journald, lino.log, its message and, by hand, to the terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from linod_systemd import app_settings
from linod_systemd.common.logfile import LinoLogHandler
from linod_systemd.common.text import visible
from linod_systemd.runner.capture import Capture
from linod_systemd.sites import config
from linod_systemd.store import rule_store
from linod_systemd.store.job import Job
from linod_systemd.systemd import journal

OURS = "linod"  # the parent of all loggers of ours, whose records are written whatever a job does to logging


class _Untaken(logging.Filter):
    """Passes each record once: one of ours comes to the root logger, too, for the site's own handlers."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(record, "linod_is_taken", False)


class _ToTheSite(logging.Handler):
    """Hands records of ours on to the site's handlers on the root logger, one of which may raise."""

    def __init__(self, own: Sequence[logging.Handler]) -> None:
        super().__init__()
        self.own = own
        self.told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        record.linod_is_taken = True
        for handler in list(logging.getLogger().handlers):
            if handler in self.own or record.levelno < handler.level:
                continue
            try:
                handler.handle(record)
            except Exception as error:
                self._tell(handler, error)

    def _tell(self, handler: logging.Handler, error: Exception) -> None:
        """Say once, by our handlers, that one of the site's fails."""
        text = f"the log handler {handler!r} of the site fails: {type(error).__name__}: {error}"
        if text not in self.told:
            self.told.add(text)
            said = logging.LogRecord(OURS, logging.ERROR, __file__, 0, text, None, None)
            for own in self.own:
                own.handle(said)


class JobLog:
    """The log of a running job. ``logger`` is for its request; ``captured`` becomes its message."""

    def __init__(self, captured: Capture, further: Sequence[logging.Handler], level: int) -> None:
        self.captured = captured
        self.own: list[logging.Handler] = [captured, *further]
        for handler in self.own:
            handler.addFilter(_Untaken())
        for handler in further:
            handler.setLevel(min(level, logging.INFO))
        self.level = min(level, logging.INFO)
        # None that logging.config knows, so that a job's own configuration does not disable it.
        self.logger = logging.Logger("linod.job")
        self.logger.manager = logging.Manager(logging.RootLogger(logging.WARNING))
        self.logger.parent = logging.getLogger(OURS)
        self._to_the_site = _ToTheSite(self.own)

    def attach(self) -> None:
        """Have records of ours, and those that reach the root logger, written; also after a job's changes."""
        logging.disable(logging.NOTSET)
        for name, logger in list(logging.root.manager.loggerDict.items()):
            if isinstance(logger, logging.Logger) and (name == OURS or name.startswith(f"{OURS}.")):
                logger.disabled, logger.propagate = False, True
        ours, root = logging.getLogger(OURS), logging.getLogger()
        ours.handlers[:] = [*self.own, self._to_the_site]
        ours.propagate = False
        ours.setLevel(self.level)
        root.handlers[:] = [*self.own, *(one for one in root.handlers if one not in self.own)]
        root.setLevel(self.level)

    def close(self) -> None:
        for handler in [*self.own, self._to_the_site]:
            handler.close()


@contextlib.contextmanager
def attached(site: config.Site, job: Job, level: int, *, to_stderr: bool) -> Iterator[JobLog]:
    """Attach the handlers of a job: for our records, and for all that reach the root logger.

    :param level: the least level that is captured and logged.
    :param to_stderr: for a run by hand; in a unit stderr is the journal, which has the records already.
    """
    captured = Capture(level, app_settings.get("LINOD_MESSAGE_CHARACTERS") // 2)
    captured.addFilter(lambda record: record.name != "linod.execute")
    fields = {"LINOD_SITE": site.name, "LINOD_RULE": job.rule_name, "LINOD_JOB": str(job.pk or job.uuid)}
    if job.invocation_id:
        fields["LINOD_INVOCATION"] = job.invocation_id
    lino_log = LinoLogHandler(site.log_file, rule_store.current().formatter())
    further: list[logging.Handler] = [journal.Handler(fields), lino_log]
    if to_stderr:
        further.append(_terminal())
    log = JobLog(captured, further, level)
    ours, root = logging.getLogger(OURS), logging.getLogger()
    before = [(one, one.level, list(one.handlers), one.propagate) for one in (ours, root)]
    disabled = root.manager.disable
    try:
        with _alone(site.log_file):
            log.attach()
            root.addHandler = lambda hdlr: _add(root, hdlr, site.log_file)  # type: ignore[method-assign]
            root.removeHandler = lambda hdlr: _remove(root, hdlr, log.own)  # type: ignore[method-assign]
            yield log
    finally:
        for name in ("addHandler", "removeHandler"):
            vars(root).pop(name, None)
        logging.disable(disabled)
        for logger, was_level, handlers, propagate in before:
            logger.setLevel(was_level)
            logger.handlers[:], logger.propagate = handlers, propagate
        log.close()


def _add(root: logging.Logger, handler: logging.Handler, log_file: Path) -> None:
    """Add a handler to the root logger while a job runs, but none that would say all records twice."""
    if not _says_the_same(handler, log_file):
        logging.Logger.addHandler(root, handler)


def _remove(root: logging.Logger, handler: logging.Handler, own: Sequence[logging.Handler]) -> None:
    if handler not in own:
        logging.Logger.removeHandler(root, handler)


@contextlib.contextmanager
def _alone(log_file: Path) -> Iterator[None]:
    """Without those handlers of the site's loggers that would say a second time what ours say: on the
    terminal or the journal behind it, and in lino.log."""
    detached = []
    for logger in [logging.root, *logging.root.manager.loggerDict.values()]:
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
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return isinstance(handler, logging.StreamHandler) and handler.stream in streams


class _VisibleFormatter(logging.Formatter):
    """For a terminal, which would obey the control characters of a record."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


def _terminal() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_VisibleFormatter("%(levelname)s %(message)s"))
    return handler
