"""Which chore is due when, and what follows from each report."""

from __future__ import annotations

import math

import pytest

from linod_systemd.common import unit_names
from linod_systemd.rules import slot
from linod_systemd.supervisor.chore_schedule import (
    AGAIN_SECONDS,
    COLD_CHECK_SECONDS,
    LOOK_SECONDS,
    MOST_RETRY_SECONDS,
    RETRY_SECONDS,
    ChoreSchedule,
)
from linod_systemd.supervisor.report import Report

GOOD, AWAY = Report(status="7 rules"), Report(error="the database is away")


@pytest.fixture
def schedule() -> ChoreSchedule:
    return ChoreSchedule(30, now=1000)


def test_a_check_every_so_often(schedule: ChoreSchedule) -> None:
    assert (schedule.due, schedule.due_chore(1029.9), schedule.due_chore(1030)) == (1030, "", "check")
    schedule.begin()
    assert schedule.finish("check", GOOD, 1031) == ""
    assert schedule.due == 1061


def test_a_site_that_is_not_loaded_is_checked_rarely() -> None:
    assert ChoreSchedule(30, now=0, is_preloaded=False).due == COLD_CHECK_SECONDS


@pytest.mark.parametrize("name", ["set_up", "set_up_again"])
def test_after_the_set_up_it_looks_back_once(schedule: ChoreSchedule, name: str) -> None:
    schedule.finish(name, GOOD, 1000)
    back = 1000 + slot.PROMPT.total_seconds()
    assert schedule.due_chore(back) == ("look_back" if back < 1030 else "check")
    schedule.finish("check", GOOD, back)
    assert schedule.due_chore(back) == "look_back"
    schedule.finish("look_back", GOOD, back)
    assert schedule.due_chore(back + 29) == ""


def test_a_job_that_ends_without_a_word_is_looked_at(schedule: ChoreSchedule) -> None:
    schedule.jobs_ended([unit_names.lock_file("checkdata")], 1001)
    schedule.jobs_ended([unit_names.lock_file("checkdata")], 1001.05)  # the first one counts
    assert schedule.due == 1001 + LOOK_SECONDS
    assert schedule.due_chore(1002) == "end_rows"
    schedule.begin()
    assert schedule.due == 1030


def test_a_job_that_has_told_its_end_is_not(schedule: ChoreSchedule) -> None:
    schedule.jobs_ended([unit_names.lock_file("a rule"), unit_names.lock_file("other")], 1001)
    schedule.has_told("a rule")
    assert schedule.due_chore(1002) == "end_rows"
    schedule.has_told("other")
    assert schedule.due_chore(1002) == ""


def test_what_systemd_is_still_ending_is_looked_at_again(schedule: ChoreSchedule) -> None:
    schedule.finish("end_rows", Report(is_complete=False), 1001)
    assert schedule.due == 1001 + AGAIN_SECONDS


def test_an_error_is_told_once_and_tried_again_ever_more_rarely(schedule: ChoreSchedule) -> None:
    now, waits, told = 1001.0, [], []
    for _ in range(5):
        told.append(schedule.finish("end_rows", AWAY, now))
        waits.append(schedule.due - now)
        now = schedule.due
        schedule.begin()
    assert told == [AWAY.error, "", "", "", ""]
    assert waits == [RETRY_SECONDS, 2, 4, 4, MOST_RETRY_SECONDS]
    schedule.finish("end_rows", GOOD, now)
    assert schedule.due_chore(now) == "check", "whose report says how things are now"
    assert schedule.finish("check", AWAY, now) == AWAY.error, "it is told anew"
    assert schedule.due == now + RETRY_SECONDS


def test_a_look_back_that_failed_is_done_again(schedule: ChoreSchedule) -> None:
    schedule.finish("set_up", GOOD, 1000)
    schedule.finish("look_back", AWAY, 1010)
    schedule.begin()
    assert schedule.due == 1010 + RETRY_SECONDS and schedule.due_chore(1011) == "look_back"
    assert math.isfinite(schedule.due)
