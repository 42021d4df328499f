"""Procedures are registered once, and what is impossible is said with its place."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import pytest

from linod_systemd import LogLevels, Procedure, Procedures, background_task, schedule_daily, schedule_often
from linod_systemd.api import dd
from linod_systemd.procedures import ProcedureError, Registry
from tests.support.registration import Registered


def sweep(ar: Any) -> None:
    """Sweep the floor.

    And more."""
    ar.append("swept")


def mop(ar: Any) -> None:
    ar.append("mopped")


def procedure(func: Any = sweep, **values: Any) -> Procedure:
    return Procedure(**{"name": "sweep", "func": func, "every_unit": "daily", "every_value": 1, **values})


def test_procedure_runs_its_function() -> None:
    done: list[str] = []
    procedure().run(done)
    assert done == ["swept"]
    assert procedure().description == "Sweep the floor."


def test_registry_keeps_the_order() -> None:
    registry = Registry()
    registry.add(procedure(mop, name="mop"))
    registry.add(procedure())
    assert registry.names() == ["mop", "sweep"]
    assert registry.sweep is registry.get("sweep")
    assert "mop" in registry and len(registry) == 2


def test_same_function_again_is_no_error() -> None:
    registry = Registry()
    registry.add(procedure())
    registry.add(procedure(every_value=2))
    assert registry.sweep.every_value == 2


def test_two_of_one_name_name_both_places() -> None:
    registry = Registry()
    registry.add(procedure())
    with pytest.raises(ProcedureError) as caught:
        registry.add(procedure(mop))
    assert str(caught.value).count("test_procedures.py:") == 2
    assert "rename one of them" in str(caught.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"every_unit": "fortnightly"}, "every_unit"),
        ({"every_value": 0}, "every"),
        ({"defaults": {"positions": "1"}}, "positions"),
        ({"defaults": {"weekdays": ("someday",)}}, "weekdays"),
        ({"defaults": {"timezone": "Mars/Olympus"}}, "timezone"),
        ({"defaults": {"max_events": 0}}, "max_events"),
        ({"defaults": {"end_date": "2030-01-01"}}, "end_date"),
        ({"defaults": {"end_time": time(4)}}, "end_time"),
        ({"start_datetime": datetime(2030, 1, 2), "defaults": {"end_date": date(2030, 1, 1)}}, "end_date"),
        ({"every_unit": "monthly", "defaults": {"positions": 1}}, "positions"),
        ({"defaults": {"weekdays": "monday"}}, "weekdays"),
        ({"defaults": {"jitter": 90000}}, "jitter"),
        ({"defaults": {"timeout": "1 h"}}, "timeout"),
        ({"defaults": {"log_level": "LOUD"}}, "log_level"),
        ({"run_after": ("sweep",)}, "runs after itself"),
        ({"name": "/"}, "impossible name"),
    ],
)
def test_impossible_interval_names_the_place(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ProcedureError) as caught:
        Registry().add(procedure(**values))
    assert "test_procedures.py:" in str(caught.value)
    assert said in str(caught.value)


def test_a_procedure_that_has_ended_is_none_to_refuse() -> None:
    Registry().add(procedure(defaults={"end_date": date(1999, 1, 1), "max_events": 3}))


def test_unknown_argument_is_refused() -> None:
    with pytest.raises(ProcedureError, match="unknown argument, 'evry'"):
        background_task(evry=3)(sweep)


def test_decorators_register_with_their_intervals(registered: Registered) -> None:
    dd.schedule_often(every=10, name="test_often")(sweep)
    schedule_daily(name="test_daily", start_time=time(4))(sweep)
    background_task(
        name="test_task",
        every_unit="weekly",
        start_datetime=datetime(2026, 1, 3, 4),
        run_after=["test_daily"],
    )(sweep)
    schedule_often(name="test_default")(sweep)
    often, daily, task = Procedures.test_often, Procedures.test_daily, Procedures.test_task
    assert (often.every_unit, often.every_value) == ("secondly", 10)
    assert (daily.every_unit, daily.every_value, daily.start_time) == ("daily", 1, time(4))
    assert (task.every_unit, task.start_time, task.run_after) == ("weekly", time(4), ("test_daily",))
    assert str(often) == "Procedures.test_often"


def test_log_levels_are_loggings() -> None:
    assert [level.level for level in LogLevels] == [0, 10, 20, 30, 40, 50]
