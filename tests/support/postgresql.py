"""A PostgreSQL server of a machine's own, from Debian."""

from __future__ import annotations

from tests.support.machine import Machine

SERVER = "postgresql.service"
INSTALL = """
systemctl daemon-reload
apt-get update -qq || true
DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends postgresql >/dev/null
pg_lsclusters -h | while read -r version name _; do pg_dropcluster --stop "$version" "$name"; done
pg_createcluster "$(ls /usr/lib/postgresql | sort -V | tail -n 1)" main >/dev/null
systemctl enable -q postgresql && systemctl daemon-reload && systemctl restart postgresql
timeout 60 sh -c 'until pg_isready -q; do sleep 0.2; done'  # that unit only wants the cluster's
"""


def install_postgresql(machine: Machine, user: str, python: str) -> None:
    """Install it, with a database of this user, and its driver for a python."""
    machine.sh(
        f"set -e; {INSTALL}\n{python} -m pip install -q 'psycopg[binary]'\n"
        f"runuser -u postgres -- createuser {user}; runuser -u postgres -- createdb --owner {user} {user}",
        timeout=580,
    )
