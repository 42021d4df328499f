"""The timeline of 200 rules and 10,000 runs; a million calls of ar.progress(): `./install.sh bench pages`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.table import print_table
from tests.support.many_jobs import make_site

ASK = """
import json, statistics, time
from datetime import timedelta
import django; django.setup()
from django.conf import settings; settings.ALLOWED_HOSTS.append("testserver")
from django.test import Client
from linod_systemd import clock
from linod_systemd.demo.models import User
from linod_systemd.models import Job, JobRule
from linod_systemd.store.progress import Progress
Job.objects.all().delete()
RULES, RUNS = 200, 10_000
often = {"procedure": "checkdata", "every_unit": "minutely", "every": 20}
rules = [JobRule(name=f"rule_{n:03}", **often) for n in range(RULES)]
JobRule.objects.all().delete()
JobRule.objects.bulk_create(rules)
start, step = clock.now() - timedelta(hours=17), timedelta(hours=17) / RUNS
Job.objects.bulk_create(
    Job(rule=rules[n % RULES], rule_name=rules[n % RULES].name, start_datetime=start + n * step,
        end_datetime=start + n * step + timedelta(seconds=20), status="success")
    for n in range(RUNS)
)
client = Client(); client.force_login(User.objects.create_superuser("boss"))
def median(address):
    times = []
    for _ in range(7):
        began = time.perf_counter()
        answer = client.get(f"/admin/linod_systemd/{address}")
        times.append(time.perf_counter() - began)
        assert answer.status_code == 200
    return statistics.median(times), len(answer.content)
client.get('/admin/')
found = {address: median(address) for address in ("job/", "jobrule/timeline/", "jobrule/timeline/?span=week")}
def calls(function):
    began = time.perf_counter()
    for number in range(1_000_000):
        function(number, 1_000_000, "rows")
    return time.perf_counter() - began
job = Job.objects.first()
found["nothing"], found["progress"] = calls(lambda done, total, text: None), calls(Progress(job))
print(json.dumps(found))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as root:
        environment = make_site(Path(root), 1)
        done = subprocess.run(
            [sys.executable, "-c", ASK], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    found = json.loads(done.stdout)
    nothing, progress = found.pop("nothing"), found.pop("progress")
    of_jobs = found["job/"][0]
    rows = [
        (address, f"{seconds:.3f} s", f"{seconds / of_jobs:.1f} ×", f"{size / 1000:.0f} kB")
        for address, (seconds, size) in found.items()
    ]
    columns = ("", "median of seven", "to the list of jobs", "size")
    print_table("200 rules, 10,000 runs within 17 hours", columns, rows)
    print_table(
        "A million calls",
        ("", "seconds", "ratio"),
        [
            ("of a function that does nothing", f"{nothing:.2f}", "1"),
            ("of ar.progress()", f"{progress:.2f}", f"{progress / nothing:.1f} ×"),
        ],
    )


if __name__ == "__main__":
    main()
