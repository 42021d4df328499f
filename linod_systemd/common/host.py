"""The name of this host."""

from __future__ import annotations

import socket


def host_name() -> str:
    """Return the name of this host, such as ``web1``."""
    return socket.gethostname()
