"""Compare the row of a rule with the decorator of its procedure.

`setup` follows the code as long as nobody has edited the rule: the row keeps what the code said last
(``JobRule.from_code``), and a row that says something else was edited by a person. Shapes: a dict of field →
plain value (text, number, list), as JSON has it.
"""

from __future__ import annotations

from datetime import date, time
from typing import Any, Protocol

from linod_systemd import clock
from linod_systemd.procedures import RULE_DEFAULTS, Procedure
from linod_systemd.recurrence.recurrence_set import WEEKDAYS

TIMING = ("every_unit", "every", "start_time", "run_after")
FIELDS = (*TIMING, *(name for name in RULE_DEFAULTS if name != "weekdays"), *WEEKDAYS)


class RuleRow(Protocol):
    """A row of JobRule; made without arguments, it has the model's defaults."""

    from_code: dict[str, Any] | None

    def __init__(self) -> None: ...


def of_procedure(procedure: Procedure) -> dict[str, Any]:
    """The values of a row of JobRule as the decorator has them; a field that it does not name is absent."""
    defaults = dict(procedure.defaults)
    ticked = defaults.pop("weekdays", ())
    if "cancel_on_failure" in defaults:
        defaults["cancel_on_failure"] = int(defaults["cancel_on_failure"])
    defaults["timezone"] = defaults.get("timezone") or ""
    return {
        "every_unit": procedure.every_unit,
        "every": procedure.every_value,
        "start_time": procedure.start_time,
        "run_after": list(procedure.run_after),
        **{day: day in ticked for day in WEEKDAYS},
        **({} if procedure.start_datetime is None else {"start_date": procedure.start_date(clock.today())}),
        **defaults,
    }


def wanted(procedure: Procedure, row: RuleRow) -> dict[str, Any]:
    """Return these values, with the model's default for each field that the decorator does not name."""
    blank = type(row)()
    return {name: getattr(blank, name) for name in FIELDS} | of_procedure(procedure)


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """The values as JSON has them: a time as ``04:00:00``."""
    return {name: _plain(value) for name, value in values.items()}


def has_edits(procedure: Procedure, row: RuleRow) -> bool:
    """Whether the row says something else than the code did when it was last followed.

    Or than it does now, for a row of which that is not known: a version made it that did not keep it.
    """
    known = plain(wanted(procedure, row)) if row.from_code is None else row.from_code
    return any(_plain(getattr(row, name)) != value for name, value in known.items())


def differences(procedure: Procedure, row: RuleRow) -> list[str]:
    """Where row and code differ: ``every is 10, the code says 20``."""
    return [
        f"{name} is {_in_words(_plain(getattr(row, name)))}, the code says {_in_words(value)}"
        for name, value in plain(wanted(procedure, row)).items()
        if _plain(getattr(row, name)) != value
    ]


def take(procedure: Procedure, row: RuleRow) -> None:
    """Set the row, which is not saved, to what the code says."""
    values = wanted(procedure, row)
    for name, value in values.items():
        setattr(row, name, value)
    row.from_code = plain(values)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, time)) else value


def _in_words(value: Any) -> str:
    return "empty" if value in (None, "", []) else str(value)
