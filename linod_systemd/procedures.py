"""Procedure, Procedures, LogLevels, and the decorators that register a function as a procedure.

The words are those of lino.modlib.linod: a procedure is a function with a default interval.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar

from linod_systemd.errors import LinodError, RefusedRule
from linod_systemd.recurrence.fields import NAMES
from linod_systemd.recurrence.recurrence_set import RecurrenceError
from linod_systemd.rules.log_levels import LogLevels
from linod_systemd.rules.rule import Rule
from linod_systemd.rules.validate import check_rule

__all__ = [
    "LogLevels",
    "Procedure",
    "ProcedureError",
    "Procedures",
    "background_task",
    "schedule_daily",
    "schedule_often",
]

LONG_AGO = timedelta(days=4000)
Function = TypeVar("Function", bound=Callable[..., Any])


class ProcedureError(LinodError):
    """A procedure that cannot be registered; found when the site starts."""


@dataclass(frozen=True)
class Procedure:
    """A function to run as a background task, and how its rule looks when it is first made.

    ``start_datetime`` is the wall-clock time at which it should run first; ``start_time`` the time of
    day. ``run_after`` names the procedures that go first when they are due together. ``defaults`` holds
    further fields of the new rule (weekdays, positions, timezone, log_level, timeout, …).
    """

    name: str
    func: Callable[[Any], Any]
    every_unit: str
    every_value: int
    start_datetime: datetime | None = None
    start_time: time | None = None
    run_after: tuple[str, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)

    def run(self, ar: Any) -> None:
        """Call the function with ``ar``, the request of this run."""
        self.func(ar)

    def start_date(self, today: date) -> date:
        """The start of a rule that is made today; long ago, if its end is past: it is none to refuse."""
        if self.start_datetime is not None:
            return self.start_datetime.date()
        end = self.defaults.get("end_date")
        return end - LONG_AGO if isinstance(end, date) and end < today else today

    @property
    def text(self) -> str:
        return self.name

    @property
    def description(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.func) or "").partition("\n")[0]

    @property
    def place(self) -> str:
        """Where the function stands: file:line."""
        func = inspect.unwrap(self.func)
        code = getattr(func, "__code__", None)
        return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(func)

    def __str__(self) -> str:
        return f"Procedures.{self.name}"

    def __repr__(self) -> str:
        return f"<Procedures.{self.name} every {self.every_value} {self.every_unit}>"


class Registry:
    """The procedures of a site, in the order in which they were registered."""

    def __init__(self) -> None:
        self._by_name: dict[str, Procedure] = {}

    def add(self, procedure: Procedure) -> None:
        """Register a procedure.

        :raises ProcedureError: for a name that another function has, or an impossible interval.
        """
        self._check_interval(procedure)
        other = self._by_name.get(procedure.name)
        if other is not None and not _same_function(other, procedure):
            raise ProcedureError(
                f"two procedures are named {procedure.name!r}: at {other.place} and at {procedure.place}",
                "rename one of them",
            )
        self._by_name[procedure.name] = procedure

    @staticmethod
    def _check_interval(procedure: Procedure) -> None:
        """Judge the rule that will be made of it, as if it were made now."""
        values: dict[str, Any] = {"timezone": None} | procedure.defaults
        try:
            rule = Rule(
                name=procedure.name,
                every_unit=procedure.every_unit,
                every=procedure.every_value,
                start_date=procedure.start_date(date(2000, 1, 1)),
                start_time=procedure.start_time,
                run_after=procedure.run_after,
                **values,
            )
            check_rule(rule, "UTC")
        except (RecurrenceError, RefusedRule) as error:
            raise ProcedureError(
                f"the procedure {procedure.name!r} at {procedure.place} has impossible arguments: {error}",
                "correct the arguments of its decorator",
            ) from error

    def get(self, name: str) -> Procedure | None:
        return self._by_name.get(name)

    def names(self) -> list[str]:
        return list(self._by_name)

    def __iter__(self) -> Iterator[Procedure]:
        return iter(list(self._by_name.values()))

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __len__(self) -> int:
        return len(self._by_name)

    def __getattr__(self, name: str) -> Procedure:
        try:
            return self.__dict__["_by_name"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"no procedure is named {name!r}") from None


OF_THEIR_OWN = ("every_unit", "every", "start_date", "start_time")  # arguments of a decorator that it names
RULE_DEFAULTS = (
    *(name for name in NAMES if name not in OF_THEIR_OWN),
    *("log_level", "timeout", "retries", "cancel_on_failure", "cancel_on_manual_failure"),
    *("missed_after", "jitter", "catch_up"),
)

Procedures = Registry()


def _same_function(one: Procedure, other: Procedure) -> bool:
    """Whether this is one function whose module was imported again (reload, two spellings of a path)."""

    def key(procedure: Procedure) -> tuple[str, str]:
        func = inspect.unwrap(procedure.func)
        return func.__module__, func.__qualname__

    return key(one) == key(other) and one.place.partition(":")[0] == other.place.partition(":")[0]


def background_task(
    *,
    every_unit: str = "daily",
    every: int = 1,
    start_time: time | None = None,
    start_datetime: datetime | None = None,
    run_after: tuple[str, ...] | list[str] = (),
    name: str | None = None,
    **defaults: Any,
) -> Callable[[Function], Function]:
    """Register the decorated function, which takes ``ar``, as a procedure.

    :param every_unit: one of the units of a recurrence, ``daily``, ``secondly``, …
    :param every: run at every so many units.
    :param start_time: the time of day, on the wall clock of the site.
    :param start_datetime: the first run, on the wall clock of the site.
    :param run_after: names of procedures that go first when they are due together.
    :param defaults: further fields of the new rule: weekdays, positions, end_date, end_time, max_events,
        timezone, log_level, timeout, retries, cancel_on_failure, cancel_on_manual_failure, missed_after,
        jitter, catch_up.
    :raises ProcedureError: for a name that is taken or an interval that is impossible.
    """

    def register(func: Function) -> Function:
        procedure = Procedure(
            name=name or func.__name__,
            func=func,
            every_unit=every_unit,
            every_value=every,
            start_datetime=start_datetime,
            start_time=start_time if start_time or not start_datetime else start_datetime.time(),
            run_after=tuple(run_after),
            defaults=defaults,
        )
        unknown = sorted(set(defaults) - set(RULE_DEFAULTS))
        if unknown:
            raise ProcedureError(
                f"{procedure.place}: procedure {procedure.name!r} has an unknown argument, {unknown[0]!r}",
                f"known are {', '.join(RULE_DEFAULTS)}",
            )
        Procedures.add(procedure)
        return func

    return register


def schedule_often(every: int = 10, **kwargs: Any) -> Callable[[Function], Function]:
    """Run the decorated function every so many seconds. Takes what :func:`background_task` takes."""
    return background_task(every_unit="secondly", every=every, **kwargs)


def schedule_daily(**kwargs: Any) -> Callable[[Function], Function]:
    """Run the decorated function once a day. Takes what :func:`background_task` takes."""
    return background_task(every_unit="daily", every=1, **kwargs)
