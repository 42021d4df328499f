"""An app that takes two seconds of CPU and 200 MB to load, as a big site does."""

from __future__ import annotations

import time

CARGO: list[str] = []


def load() -> None:
    end = time.process_time() + 2.0
    while len(CARGO) < 1_800_000:
        CARGO.append(f"{len(CARGO):060d}")
    while time.process_time() < end:
        pass


load()
