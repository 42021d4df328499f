"""What the bench runs."""

from __future__ import annotations

import os
import time
from typing import Any

from linod_systemd import background_task


@background_task(every_unit="never")
def does_nothing(ar: Any) -> None:
    ar.info("nothing")


def _waits(ar: Any) -> None:
    while not os.path.exists("/var/lib/linod/heavy/go"):
        time.sleep(0.1)


for number in range(10):
    background_task(every_unit="never", name=f"waits_{number}")(_waits)
