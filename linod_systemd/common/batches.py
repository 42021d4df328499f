"""Cut what is many into batches; python's own itertools.batched() comes with 3.12."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of at most so many items."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
