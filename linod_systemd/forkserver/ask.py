"""The program of a job's unit: ``python -I -S ask.py SOCKET RULE COLD-COMMAND…``, see client.py.

-S spares python the search of its installed packages, half of its start; so this finds its own.
"""

import sys

sys.path.append(__file__.rpartition("/linod_systemd/")[0])

from linod_systemd.forkserver.client import main  # noqa: E402

main(sys.argv[1:])
