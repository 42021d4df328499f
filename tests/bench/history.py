"""The same questions at 1,000 and at 1,000,000 rows of Job: ``./install.sh bench history``."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.table import print_table, progress
from tests.support.many_jobs import make_site

FEW, MANY = 1_000, 1_000_000
ASK = """
import contextlib, io, json, statistics, time
import django; django.setup()
from django.conf import settings; settings.ALLOWED_HOSTS.append("testserver")
from django.test import Client
from linod_systemd.cli import main, parser
from linod_systemd.cli.command import Call
from linod_systemd.sites import config
from linod_systemd.demo.models import User
client = Client(); client.force_login(User.objects.create_superuser("boss"))
from linod_systemd.models import JobRule
RULE = JobRule.objects.get(name="checkdata").pk
A_DAY = "begin=2020-01-01T00:00:00%2B00:00"  # of which both sites have the jobs
site, lists = config.this_site(), "/admin/linod_systemd/"
def linod(*arguments):
    main.dispatch(Call(parser.parser("linod").parse_args(arguments), site))
def page(address):
    assert client.get(lists + address).status_code == 200, address
ASKED = {
    "linod status": lambda: linod("status"),
    "linod jobs": lambda: linod("jobs"),
    "linod jobs checkdata --status failed": lambda: linod("jobs", "checkdata", "--status", "failed"),
    "admin: job rules": lambda: page("jobrule/"),
    "admin: jobs": lambda: page("job/"),
    "admin: jobs of a rule that failed": lambda: page("job/?rule_name=checkdata&status__exact=failed"),
    "admin: one job": lambda: page("job/500/change/"),
    "admin: overview": lambda: page(""),
    "admin: timeline, an hour": lambda: page("jobrule/timeline/?span=hour&" + A_DAY),
    "admin: timeline, a day": lambda: page("jobrule/timeline/?" + A_DAY),
    "admin: one rule": lambda: page(f"jobrule/{RULE}/change/?{A_DAY}"),
}
found = {}
for what, ask in ASKED.items():
    times = []
    for _ in range(7):
        began = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            ask()
        times.append(time.perf_counter() - began)
    found[what] = statistics.median(times)
print(json.dumps(found))
"""


def main() -> None:
    asked = {}
    for number in (FEW, MANY):
        with tempfile.TemporaryDirectory() as root:
            progress(f"{number:,} jobs")
            environment = make_site(Path(root), number)
            done = subprocess.run(
                [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True
            )
            asked[number] = json.loads(done.stdout)
    rows = [
        (
            what,
            f"{few * 1000:.1f} ms",
            f"{asked[MANY][what] * 1000:.1f} ms",
            f"{asked[MANY][what] / few:.1f} ×",
        )
        for what, few in asked[FEW].items()
    ]
    columns = ("", f"{FEW:,} jobs", f"{MANY:,} jobs", "ratio")
    print_table("The same question, median of seven", columns, rows)


if __name__ == "__main__":
    main()
