"""Keep the changes that loading a site makes to its process, for a fork that takes on another environment.

Example: Django sets ``TZ``, and a settings module reads a ``.env`` file into ``os.environ``. A cold job has
that; a warm one, which gets the environment of its unit, has it done again.
"""

from __future__ import annotations

import logging
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
Limit = tuple[int, int]


@dataclass
class Effects:
    """What was before and after: variables (None: not there), umask, limits; and the root logger's level."""

    variables: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    umask: tuple[int, int] = (0, 0)
    limits: dict[int, tuple[Limit, Limit]] = field(default_factory=dict)
    log_level: int = logging.WARNING

    def repeat(self) -> None:
        """Make the same changes here; what this process has otherwise than that one had, it keeps.

        :raises OSError, ValueError: where the kernel refuses.
        """
        for name, (before, after) in self.variables.items():
            if os.environ.get(name) != before:
                continue
            if after is None:
                del os.environ[name]
            else:
                os.environ[name] = after
        time.tzset()
        if self.umask[0] != self.umask[1]:
            os.umask(self.umask[1])
        for number, (was, limit) in self.limits.items():
            if resource.getrlimit(number) == was:
                resource.setrlimit(number, limit)


effects = Effects()


@contextmanager
def noted() -> Iterator[None]:
    """Note what the body changes, in ``effects``."""
    variables, umask, limits = dict(os.environ), _umask(), _limits()
    try:
        yield
    finally:
        names = variables.keys() | os.environ.keys()
        pairs = {name: (variables.get(name), os.environ.get(name)) for name in names}
        effects.variables = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        effects.umask = (umask, _umask())
        changed = {limit: (limits[limit], now) for limit, now in _limits().items() if limits[limit] != now}
        effects.limits = changed
        effects.log_level = logging.getLogger().level


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _limits() -> dict[int, Limit]:
    return {limit: resource.getrlimit(limit) for limit in LIMITS}
