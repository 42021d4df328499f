"""Procedures that end in every way a procedure can; none is due by itself but ``ticks``."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

from linod_systemd import background_task, schedule_often

from . import facts, likeness, pokes

Procedure = Callable[[Any], None]

__all__ = ["facts", "likeness", "pokes"]  # whose procedures are registered by the import


def by_hand(**options: Any) -> Callable[[Procedure], Procedure]:
    """For a procedure that tests start by hand, and whose rule is judged as if a timer had started it."""
    return background_task(every_unit="never", cancel_on_manual_failure=True, **options)


@schedule_often(every=10)
def ticks(ar: Any) -> None:
    print("a plain print")
    ar.info("tick")


@by_hand()
def fails(ar: Any) -> None:
    ar.info("before the failure")
    raise ValueError("no such shelf")


@by_hand()
def warns(ar: Any) -> None:
    raise Warning("the shop is closed")


@by_hand()
def kills_itself(ar: Any) -> None:
    ar.info("last words")
    os.kill(os.getpid(), signal.SIGKILL)


@by_hand()
def leaves(ar: Any) -> None:
    ar.info("going")
    ctypes.CDLL(None).exit(7)  # as a C library may do it


@by_hand()
def leaves_well(ar: Any) -> None:
    ar.info("nobody will know")
    os._exit(0)


@by_hand()
def fails_with_a_nul(ar: Any) -> None:
    raise ValueError("a\0b")


@by_hand()
def dies_after_a_nul(ar: Any) -> None:
    ar.info("a\0b")
    os.write(1, b"c\0d\n")
    os.kill(os.getpid(), signal.SIGKILL)


@by_hand()
def dumps_core(ar: Any) -> None:
    os.abort()


@by_hand(timeout=2)
def takes_too_long(ar: Any) -> None:
    ar.info("this takes a while")
    time.sleep(600)


@by_hand(timeout=2)
def is_deaf(ar: Any) -> None:
    """So are its grandchildren, which have a session of their own and another parent than this."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    deaf = "trap '' TERM; echo $$ >> /var/lib/linod/shop/grandchildren; sleep 600 & wait; sleep 600"
    subprocess.run(["setsid", "--fork", "sh", "-c", deaf], check=True)
    time.sleep(600)


@by_hand()
def sleeps(ar: Any) -> None:
    time.sleep(600)


@by_hand(retries=2)
def fails_thrice(ar: Any) -> None:
    ar.info("attempt %d", ar.job.attempt)
    raise ValueError("no such shelf")


@by_hand(retries=1)
def dies_once(ar: Any) -> None:
    ar.info("attempt %d", ar.job.attempt)
    if ar.job.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@by_hand(cancel_on_failure=False)
def may_fail(ar: Any) -> None:
    raise ValueError("never mind")


@by_hand()
def eats(ar: Any) -> None:
    held = []
    while True:
        held.append(b"x" * 2**20)


@by_hand()
def asks_the_database(ar: Any) -> None:
    from linod_systemd.models import JobRule

    while True:
        ar.info("%d rules", JobRule.objects.count())
        connection.close()
        time.sleep(0.2)


@by_hand()
def asks_on_and_on(ar: Any) -> None:
    """By one connection."""
    from linod_systemd.models import JobRule

    while True:
        JobRule.objects.count()
        time.sleep(0.1)


@by_hand()
def says_how_far(ar: Any) -> None:
    ar.info("counting")
    ar.progress(3, 4, "shelves")
    time.sleep(600)


@by_hand()
def counts_rules(ar: Any) -> None:
    from linod_systemd.models import JobRule

    ar.info("%d rules", JobRule.objects.count())


@by_hand()
def writes_a_row(ar: Any) -> None:
    from linod_systemd.models import JobRule

    JobRule.objects.filter(name="writes_a_row").update(seqno=7)


@by_hand()
def waits(ar: Any) -> None:
    """Until somebody makes a file."""
    ar.info("waiting")
    while not os.path.exists("/var/lib/linod/shop/go"):
        time.sleep(0.1)


@by_hand()
def wants_a_file(ar: Any) -> None:
    ar.info("looking for it")
    if not os.path.exists("/var/lib/linod/shop/go"):
        raise ValueError("no such shelf")


@by_hand()
def comes_to_an_end(ar: Any) -> None:
    ar.info("working")
    while not ar.stopping:
        time.sleep(0.1)
    ar.info("tidied up")


@by_hand()
def leaves_a_child(ar: Any) -> None:
    subprocess.Popen(["sleep", "300"])


@background_task(every_unit="yearly", catch_up=True)
def sleeps_yearly(ar: Any) -> None:
    ar.info("asleep")
    time.sleep(0 if ar.job.trigger == "catch_up" else 600)


@by_hand()
def goes_first(ar: Any) -> None:
    time.sleep(2)


@by_hand(run_after=["goes_first"])
def goes_second(ar: Any) -> None:
    ar.info("after the first")


@by_hand()
def takes_fifteen_seconds(ar: Any) -> None:
    time.sleep(15)


@by_hand()
def is_busy_for_a_minute(ar: Any) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        pass


@by_hand()
def says_this_and_that(ar: Any) -> None:
    print("printed ✓")
    ar.info("logged")


@by_hand()
def says_odd_things(ar: Any) -> None:
    """Bytes that are no text, and what would pass for something else."""
    os.write(1, b"\xff\xfe\x00 bytes\n")
    print("Grüße ✓", flush=True)
    ar.info("nul \0 end")
    ar.info("half \udc80 a pair")
    ar.info("\x1b[31mred")
    ar.info("one\n2026-01-01 00:00:00,000 CRITICAL [linod.job 1] : forged")
    ar.logger.info("extra", extra={"LINOD_JOB": "0", "LINOD_SITE": "default", "PRIORITY": "0"})


@by_hand()
def floods(ar: Any) -> None:
    for number in range(200_000):
        ar.info("line %d %s", number, "x" * 80)
    ar.info("%s the end", "y" * 5_000_000)


@by_hand()
def logs_a_thousand(ar: Any) -> None:
    for number in range(1000):
        ar.info("line %s %d %s", ar.rule.name, number, "x" * 180)
        time.sleep(0.002)


@by_hand()
def writes_rows(ar: Any) -> None:
    from linod_systemd.demo.models import User

    for number in range(50):
        ar.info("line %d", number)
    for number in range(10):
        User.objects.create(username=f"{ar.rule.name}-{ar.job.pk}-{number}")


@by_hand()
def does_nothing(ar: Any) -> None:
    pass


def _weather(ar: Any) -> None:
    """Do what the storm has planned for this rule."""
    with open(f"/var/lib/linod/shop/plan-{ar.rule.name}", encoding="ascii") as file:
        seconds, end = file.read().split()
    ar.info("plan: %s after %s s", end, seconds)
    time.sleep(float(seconds))
    if end == "raise":
        raise ValueError("as planned")
    if end.startswith("exit-"):
        os._exit(int(end[5:]))
    if end == "abort":
        os.abort()
    ar.info("%s is over", ar.rule.name)


background_task(every_unit="daily", name="storm_1")(_weather)
background_task(every_unit="daily", name="storm_2", cancel_on_failure=False)(_weather)
background_task(every_unit="daily", name="storm_3", cancel_on_failure=False, retries=1)(_weather)
background_task(every_unit="daily", name="storm_4", cancel_on_failure=False, timeout=8)(_weather)
