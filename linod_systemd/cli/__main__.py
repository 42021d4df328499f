"""``python -m linod_systemd.cli``: the command ``linod``, in the python of a site."""

from __future__ import annotations

import sys

from linod_systemd.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
