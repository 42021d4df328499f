"""Two sites on a host know nothing of each other, and no message passes for another's."""

from __future__ import annotations

import json
import re

import pytest

from linod_systemd.common.text import visible
from tests.support.in_machine import ended_job, jobs
from tests.support.machine import Machine

READS_THE_JOURNAL = """
import json, pathlib
from systemd import journal
reader = journal.Reader()
pathlib.Path('/var/lib/linod/shop/seen').write_text(json.dumps(sorted({
    str(entry.get('_SYSTEMD_UNIT')) for entry in reader})))
"""
ASKS = """
import sys
from pathlib import Path
from linod_systemd.systemd import journal_server
question = {"about": "invocation", "invocation_id": sys.argv[2], "since": None}
print(journal_server.send_question(Path(sys.argv[1]), question))
"""
OWN_COLOURS = re.compile(r"\x1b\[(0|1|31|32|1;31|1;32)m")  # of rich, for a status
PYTHON = "/opt/linod/bin/python"


@pytest.mark.long
@pytest.mark.parametrize(
    "path",
    [
        *("/var/lib/linod/default", "/var/lib/linod/default/rules.json", "/var/lib/linod/default/db.sqlite3"),
        *("/var/log/linod/default", "/var/log/linod/default/lino.log", "/var/lib/linod/default/locks"),
    ],
)
def test_files_of_a_site_are_its_own(both_sites: Machine, path: str) -> None:
    assert both_sites.run("test", "-r", path).returncode == 0
    assert both_sites.run("test", "-r", path, user="shop", check=False).returncode == 1
    own = path.replace("default", "shop")
    assert both_sites.run("test", "-r", own, user="shop", check=False).returncode == 0
    assert both_sites.run("test", "-r", own, user="linod", check=False).returncode == 1


@pytest.mark.long
def test_commands_for_another_site_are_refused(both_sites: Machine) -> None:
    for command in (
        "linod --site default jobs",
        "linod --site default status",
        "linod-run --site default checkdata",
    ):
        done = both_sites.run(*command.split(), user="shop", check=False)
        assert done.returncode == 1
        assert "belongs to the user linod, this is shop" in done.stderr


@pytest.mark.long
def test_supervisor_sees_nothing_of_the_hosts_journal(shop: Machine) -> None:
    """Tried from inside its unit, with all that its unit gives it."""
    shop.write("/srv/shop/reads.py", READS_THE_JOURNAL)
    shop.write(
        "/etc/systemd/system/linod-supervisor@shop.service.d/reads.conf",
        f"[Service]\nExecStartPre={PYTHON} /srv/shop/reads.py\n",
    )
    shop.sh("systemctl daemon-reload && systemctl restart linod-supervisor@shop")
    assert json.loads(shop.read("/var/lib/linod/shop/seen")) == []


def test_a_site_is_told_what_its_own_units_logged_and_no_more(both_sites: Machine) -> None:
    def invocation(unit: str) -> str:
        both_sites.sh(f"systemctl start {unit}")
        return both_sites.sh(f"systemctl show --property=InvocationID --value {unit}").strip()

    def ask(user: str, site: str, invocation_id: str) -> tuple[int, str]:
        command = (PYTHON, "-c", ASKS, f"/run/linod/{site}.journal", invocation_id)
        done = both_sites.run(*command, user=user, check=False)
        return done.returncode, done.stdout

    ids = {"shop": invocation("linod-shop-ticks.service"), "linod": invocation("linod-checkdata.service")}
    code, lines = ask("shop", "shop", ids["shop"])
    assert (code, "a plain print" in lines) == (0, True)
    code, lines = ask("linod", "default", ids["linod"])
    assert (code, "checkdata: job" in lines) == (0, True)
    assert ask("shop", "shop", ids["linod"]) == (0, "\n")
    assert ask("linod", "default", ids["shop"]) == (0, "\n")
    assert ask("shop", "default", ids["linod"])[0] == 1  # not allowed to connect
    both_sites.run(
        "logger", "--journald", user="linod", input=f"MESSAGE=forged\nINVOCATION_ID={ids['shop']}\n"
    )
    assert "forged" not in ask("shop", "shop", ids["shop"])[1]


@pytest.mark.long
def test_names_that_look_like_other_units_collide_with_none(shop: Machine) -> None:
    """Sites `a`, `a_b` and `supervisor`, and the default one, whose prefix is that of all."""
    names = (
        "shop-ticks",
        "b-c",
        "supervisor@shop",
        "failure-shop@x",
        "ended-shop@x",
        "generate@shop",
        "journal-shop",
        "target",
    )
    prefixes = {site: f"linod-{site}-" for site in ("a", "a_b", "supervisor")} | {"default": "linod-"}
    for site, prefix in prefixes.items():
        listed = [{"name": name, "start_date": "2026-01-31"} for name in names]
        document = {"version": 1, "site": site, "timezone": "UTC", "rules": listed}
        shop.write(f"/tmp/{site}.json", json.dumps(document))
        shop.sh(f"linod-generate-units --rules /tmp/{site}.json --output /tmp/units")
        for name in names:
            stem = prefix + shop.run("systemd-escape", name).stdout.strip()
            first = shop.sh(f"head -1 '/tmp/units/{stem}.service'")
            assert f"for site {site}." in first
            assert f'--site {site} --here -- "{name}"' in shop.read(f"/tmp/units/{stem}.service")
    assert len(shop.sh("ls /tmp/units/linod-*.timer").split()) == len(prefixes) * len(names)
    assert "-m linod_systemd.cli --site a supervise" in shop.read("/tmp/units/linod-supervisor@a.service")


def test_secrets_stay_where_they_are(shop: Machine) -> None:
    secret = "s3cr3t-of-the-shop"  # noqa: S105 - of this test alone
    shop.write("/etc/shop.env", f"SECRET={secret}\n")
    shop.sh("chmod 600 /etc/shop.env && echo 'environment_file = \"/etc/shop.env\"' >> /etc/linod/shop.toml")
    shop.write("/etc/shop.key", "k3y\n")
    shop.sh("chmod 600 /etc/shop.key")
    shop.write(
        "/etc/systemd/system/linod-shop-tells_what_it_was_given.service.d/key.conf",
        "[Service]\nLoadCredential=api-key:/etc/shop.key\n",
    )
    shop.sh("linod-generate-units && systemctl daemon-reload && systemctl restart linod-supervisor@shop")
    shop.sh("systemctl start linod-shop-tells_what_it_was_given.service")
    job = ended_job(shop, "tells_what_it_was_given")
    assert json.loads(job["message"]) == {"environment": len(secret), "credential": True}
    shop.sh("systemctl start linod-shop-fails.service || true")
    assert ended_job(shop, "fails")["status"] == "failed"
    places = "/etc/systemd /run/systemd /var/lib/linod /var/log/linod"
    for word in (secret, "k3y"):
        assert shop.sh(f"grep -rls {word} {places} --exclude-dir=credentials || true") == ""
        told = "journalctl --no-pager --all -o export; systemctl show --all 'linod-shop-*'"
        assert shop.sh(f"({told}) | grep --text --count {word} || true") == "0\n"
        assert word not in json.dumps(jobs(shop, site="shop"))


@pytest.mark.long
def test_environment_file_in_the_sites_own_folder_leads_to_no_file_of_roots(shop: Machine) -> None:
    """systemd reads EnvironmentFile= as root: a link there would give a job what only root may read."""
    shop.write("/srv/shop/shop.env", "SECRET=12345\n")
    shop.sh(
        "chown shop /srv/shop/shop.env; install -m 600 /dev/null /root/key; echo SECRET=1234567 > /root/key"
    )
    shop.sh("echo 'environment_file = \"/srv/shop/shop.env\"' >> /etc/linod/shop.toml")
    shop.sh("linod-generate-units && systemctl daemon-reload")
    shop.sh("systemctl start linod-shop-tells_what_it_was_given.service")
    assert json.loads(ended_job(shop, "tells_what_it_was_given")["message"])["environment"] == 5
    shop.sh("ln -sf /root/key /srv/shop/shop.env")
    shop.run("systemctl", "start", "linod-shop-tells_what_it_was_given.service", check=False)
    said = shop.sh("journalctl --no-pager -u linod-shop-tells_what_it_was_given.service")
    assert "the environment_file /srv/shop/shop.env cannot be read" in said
    done = shop.run("linod-run", "--site", "shop", "--here", "tells_what_it_was_given", check=False)
    assert (done.returncode, "cannot be read" in done.stderr) == (1, True)


def test_messages_forge_nothing_and_reach_no_terminal(shop: Machine) -> None:
    shop.sh("systemctl start linod-shop-forges.service")
    job = ended_job(shop, "forges")
    assert "\x1b]0;owned" in job["message"]  # what was logged is kept; it is only shown otherwise
    log = shop.read("/var/log/linod/shop/lino.log")
    assert not [line for line in log.splitlines() if line.startswith("2026-11-24 00:00:00,000")]
    lines = shop.sh("journalctl -o json -u linod-shop-forges.service").splitlines()
    forged = [entry for entry in map(json.loads, lines) if "forged" in str(entry.get("MESSAGE"))]
    assert {entry["SYSLOG_IDENTIFIER"] for entry in forged} == {"linod"}
    shown = shop.sh("journalctl --no-pager -u linod-shop-forges.service")
    assert not [line for line in shown.splitlines() if line.startswith("Nov 24 00:00:00")]
    for command in (f"show {job['id']}", f"show {job['id']} --json", "jobs forges", "jobs --json", "status"):
        for tool in ("linod --site shop {}", "script -qec 'linod --site shop {}' /dev/null"):
            out = OWN_COLOURS.sub("", shop.sh(tool.format(command))).replace("\r\n", "\n")
            assert visible(out) == out, command
    by_hand = shop.run("linod-run", "--site", "shop", "forges").stderr
    assert "\\x1b]0;owned\\x07" in by_hand and "\x1b" not in by_hand
