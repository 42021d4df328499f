"""What a job's unit runs: ``python -I -S forkserver/ask.py SOCKET RULE COLD-COMMAND…``, see forkserver/client.py.

-S spares python the search of its installed packages, half of its start; so this finds its own.
"""

import sys

sys.path.append(__file__.rpartition("/linod_systemd/")[0])

from linod_systemd.forkserver.client import main  # noqa: E402

main(sys.argv[1:])
