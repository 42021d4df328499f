"""install.sh: again, and undone."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from tests.support.in_machine import (
    active_timers,
    await_supervisor,
    ensure_package,
    failed_units,
    jobs,
    rules,
)
from tests.support.machine import CHECKOUT, SOURCE, SUITES, Machine, Workshop, debian

OURS = f"find / -xdev -path {SOURCE} -prune -o -name '*linod*' -print | sort"


@pytest.mark.long
def test_again_upgrades_and_keeps_what_is_the_users(machine: Machine) -> None:
    machine.sh("linod-run clear_seen_messages && linod cancel checkdata")
    drop_in = "/etc/systemd/system/linod-checksummaries.service.d/nice.conf"
    machine.write(drop_in, "[Service]\nNice=7\n")
    rules = machine.sh("grep -v requested /var/lib/linod/default/rules.json")
    toml = machine.sh("stat -c '%i %Y' /etc/linod/default.toml")
    machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)
    assert machine.sh("grep -v requested /var/lib/linod/default/rules.json") == rules
    assert machine.sh("stat -c '%i %Y' /etc/linod/default.toml") == toml
    assert machine.read(drop_in) == "[Service]\nNice=7\n"
    assert [job["status"] for job in jobs(machine, "clear_seen_messages")] == ["success"]
    machine.poll(lambda: len(active_timers(machine)) == 6, 20, "six timers")
    assert failed_units(machine) == []


@pytest.mark.long
@pytest.mark.timeout(600)
def test_from_the_commit_before_it_upgrades(workshop: Workshop, base: Path) -> None:
    """On a root that has none of our packages yet, where the base is a plain one."""
    before = subprocess.run(["git", "archive", "HEAD~1"], cwd=CHECKOUT, check=True, capture_output=True)
    packed = base64.b64encode(before.stdout).decode()
    with Machine(workshop, base) as machine:
        machine.run("sh", "-c", "mkdir /root/before && base64 -d | tar -x -C /root/before", input=packed)
        machine.sh("cd /root/before && ./install.sh", timeout=580)
        machine.sh("linod-run clear_seen_messages && linod cancel checkdata")
        drop_in = "/etc/systemd/system/linod-checksummaries.service.d/nice.conf"
        machine.write(drop_in, "[Service]\nNice=7\n")
        machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)
        assert [job["status"] for job in jobs(machine, "clear_seen_messages")] == ["success"]
        assert rules(machine)["checkdata"]["cancelled_by"] == "person"
        assert machine.run("systemctl", "show", "-P", "Nice", "linod-checksummaries").stdout == "7\n"
        machine.poll(lambda: len(active_timers(machine)) == 6, 20, "six timers")
        assert "0 changed" in machine.sh("linod-generate-units")
        assert failed_units(machine) == []


MINIMAL = (
    "apt-get purge -y -qq dbus dbus-daemon python3 python3-venv 'libpython3*'; apt-get autoremove -y -qq"
)


@pytest.mark.long
@pytest.mark.timeout(580)
@pytest.mark.parametrize("suite", SUITES.values())
def test_on_a_minimal_debian_that_runs_no_bus(workshop: Workshop, suite: str) -> None:
    """With git and nothing else: what apt installs then is not started by itself."""
    with Machine(workshop, debian(suite)) as machine:
        machine.sh(f"{MINIMAL}; apt-get install -y -qq --no-install-recommends systemd-sysv git")
        layer = machine.snapshot()
    with Machine(workshop, debian(suite), [layer]) as machine:
        assert machine.sh("ls /run/dbus/system_bus_socket", check=False) == ""
        machine.sh(f"cd {SOURCE} && ./install.sh", timeout=400)
        assert len(active_timers(machine)) == 7
        assert machine.run("linod", "status").returncode == 0
        machine.sh("linod-run clear_seen_messages")
        assert failed_units(machine) == []


@pytest.mark.long
def test_a_failed_installation_says_what_is_there_and_what_is_not(workshop: Workshop, base: Path) -> None:
    with Machine(workshop, base) as machine:
        machine.sh(f"cp -r {SOURCE} /root/new && rm -rf /root/new/.venv /root/new/.git")
        machine.sh("echo 'raise SystemExit(\"it is broken\")' >> /root/new/linod_systemd/supervisor/loop.py")
        done = machine.run("sh", "-c", "cd /root/new && ./install.sh", check=False, timeout=380)
        assert done.returncode == 1
        said = [" ".join(line.split()) for line in done.stderr.splitlines()]
        for line in (
            "linod-supervisor@default.service does not start; see: journalctl",
            "there: the programs in /opt/linod",
            "there: the system bus",
            "there: a site in /etc/linod",
            "not there: linod-supervisor@default.service, active",
        ):
            assert any(line in one for one in said), (line, said)


def test_uninstall_keeps_the_data_and_purge_leaves_no_file(
    machine: Machine, workshop: Workshop, base: Path
) -> None:
    with Machine(workshop, base) as untouched:  # this host's own root may hold a checkout of ours
        before = untouched.sh(OURS)
    kept = machine.sh(f"cd {SOURCE} && ./install.sh uninstall 2>&1")
    assert "kept /etc/linod, /var/lib/linod, /var/log/linod" in kept
    assert machine.sh("ls /var/lib/linod/default/db.sqlite3 /etc/linod/default.toml")
    assert machine.sh("systemctl list-units --all --plain --no-legend 'linod*'") == ""
    machine.sh(f"cd {SOURCE} && ./install.sh uninstall --purge")
    assert machine.sh(OURS) == before
    assert machine.run("id", "linod", check=False).returncode != 0
    assert failed_units(machine) == []


@pytest.mark.long
@pytest.mark.timeout(400)
def test_an_upgrade_that_does_not_run_leaves_the_old_version_running(machine: Machine) -> None:
    machine.sh("linod-run clear_seen_messages")
    machine.sh(f"cp -r {SOURCE} /root/new && rm -rf /root/new/.venv /root/new/.git")
    machine.sh("echo 'raise SystemExit(\"it is broken\")' >> /root/new/linod_systemd/supervisor/loop.py")
    done = machine.run("sh", "-c", "cd /root/new && ./install.sh", check=False, timeout=380)
    assert done.returncode == 1
    assert "linod-supervisor@default.service does not start" in done.stderr
    assert "the version from before runs on" in done.stderr
    assert "it is broken" not in machine.sh(
        "cat /opt/linod/lib/python3*/site-packages/linod_systemd/supervisor/loop.py"
    )
    assert len(active_timers(machine)) == 7
    assert machine.run("systemctl", "is-active", "linod-supervisor@default").stdout.strip() == "active"
    machine.sh("linod-run clear_seen_messages")
    assert len(jobs(machine, "clear_seen_messages")) == 2
    assert not machine.sh("ls -d /opt/linod.before 2>/dev/null", check=False)


@pytest.mark.long
@pytest.mark.timeout(580)
def test_sites_are_brought_up_to_date_as_their_users(machine: Machine) -> None:
    """An environment of an older version: install.sh says so, doctor says so, update-sites mends it."""
    older = "sed 's/^RELEASE = .*/RELEASE = \"0.0.9\"/' -i build_version.py"
    machine.sh(f"cp -r {SOURCE} /srv/older && cd /srv/older && rm -rf .git .venv && {older}")
    machine.sh("chown -R shop /srv/older")
    pip = "env/bin/pip install --quiet --find-links /opt/linod/wheels"
    machine.sh(f"cd /srv/shop && runuser -u shop -- sh -c 'python3 -m venv env && {pip} /srv/older'")
    machine.write(
        "/etc/linod/shop.toml",
        'user = "shop"\nsettings = "shop.settings"\n'
        'python = "/srv/shop/env/bin/python"\ndirectory = "/srv/shop"\n',
    )
    machine.sh("linod --site shop manage migrate -v0 && linod-generate-units && systemctl daemon-reload")
    said = machine.run("sh", "-c", f"cd {SOURCE} && ./install.sh", timeout=400)
    assert "shop: its linod-systemd is 0.0.9, root's 0.1.0" in said.stdout
    doctor = machine.sh("linod doctor shop", check=False)
    assert "WRONG   shop: its linod-systemd is 0.0.9, root's 0.1.0" in doctor
    assert machine.run("linod", "update-sites", check=False).returncode == 1, "nobody was there to agree"
    done = machine.run("linod", "update-sites", "--yes")
    assert "shop: its linod-systemd is 0.1.0" in done.stdout
    assert machine.sh("stat -c %U /srv/shop/env/lib/python3*/site-packages/linod_systemd").strip() == "shop"
    assert "ok      shop: its linod-systemd is 0.1.0" in machine.sh("linod doctor shop", check=False)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_from_a_wheelhouse_it_needs_no_network(workshop: Workshop, base: Path) -> None:
    with Machine(workshop, base) as machine:
        machine.sh(f"cp -r {SOURCE} /root/source && rm -rf /root/source/.venv")
        machine.sh("cd /root/source && ./install.sh wheelhouse /root/wheels && rm -rf .venv", timeout=380)
        packed = machine.snapshot()
    with Machine(workshop, base, [packed], network=False) as machine:
        refused = machine.run("sh", "-c", "cd /root/source && ./install.sh --wheelhouse /tmp", check=False)
        assert refused.returncode == 1 and "has no wheel of linod-systemd" in refused.stderr
        machine.sh("cd /root/source && ./install.sh --wheelhouse /root/wheels", timeout=380)
        assert len(active_timers(machine)) == 7
        assert "run one rule of a site now" in machine.sh("cat /usr/local/share/man/man8/linod-run.8")


@pytest.mark.long
def test_installed_again_after_uninstall_has_its_data(machine: Machine) -> None:
    machine.sh("linod-run clear_seen_messages")
    machine.sh(f"cd {SOURCE} && ./install.sh uninstall && ./install.sh", timeout=580)
    assert [job["status"] for job in jobs(machine, "clear_seen_messages")] == ["success"]
    assert len(active_timers(machine)) == 7


def test_where_systemd_does_not_run_it_says_so(workshop: Workshop, base: Path) -> None:
    with Machine(workshop, base) as machine:
        before = machine.sh(OURS)
        machine.sh("mkdir /run/elsewhere && mount --move /run/systemd /run/elsewhere 2>/dev/null; true")
        done = machine.run(
            *("unshare", "--mount", "sh", "-c"),
            f"mount -t tmpfs none /run/systemd && cd {SOURCE} && ./install.sh",
            check=False,
        )
        assert done.returncode == 1
        assert "systemd is not PID 1 here, nothing was changed" in done.stderr
        assert "./install.sh demo" in done.stderr
        assert "linod simulate" in done.stderr
        assert machine.sh(OURS) == before


def test_not_root_is_told(machine: Machine) -> None:
    done = machine.run("sh", "-c", f"cd {SOURCE} && ./install.sh", user="linod", check=False)
    assert done.returncode == 1
    assert "this needs root: run it as sudo ./install.sh" in done.stderr


@pytest.mark.long
def test_an_environment_whose_python_was_replaced_says_so(machine: Machine) -> None:
    """As after an upgrade from Debian 12 to 13: the packages lie under the python from before."""
    machine.sh("mv /opt/linod/lib/python3.* /opt/linod/lib/python2.7")
    for command in ("linod", "linod doctor", "linod-run checkdata", "linod-generate-units"):
        done = machine.run(*command.split(), check=False)
        (line,) = done.stderr.splitlines()
        assert done.returncode == 1 and "./install.sh" in line and "no job begins" in line
    machine.run("systemctl", "start", "linod-checkdata.service", check=False)
    machine.sh(f"cd {SOURCE} && ./install.sh", timeout=580)
    machine.poll(lambda: jobs(machine, "checkdata"), 60, "the row of the start that never began")
    assert jobs(machine, "checkdata")[-1]["reason"].startswith("it did not begin: ")


@pytest.mark.long
def test_needrestart_leaves_jobs_alone(machine: Machine) -> None:
    ensure_package(machine, "needrestart")
    asked = (
        "our %nrconf; $nrconf{override_rc} = {}; do '/etc/needrestart/conf.d/linod.conf'; die $@ if $@; "
        "for my $unit (@ARGV) { my $kept = 1; "
        "for (keys %{$nrconf{override_rc}}) { $kept = $nrconf{override_rc}{$_} if $unit =~ /$_/ } "
        'print "$kept\\n" }'
    )
    units = (
        "linod-checkdata.service",
        "linod-shop-x.service",
        "linod-supervisor@default.service",
        "ssh.service",
    )
    assert machine.run("perl", "-e", asked, *units).stdout.split() == ["0", "0", "1", "1"]
    # The real needrestart, with a library that each process has mapped and that is another one by now.
    machine.run("systemctl", "start", "--no-block", "linod-checkdata.service")
    library = machine.sh("readlink -f /usr/lib/*-linux-gnu/libsqlite3.so.0").strip()
    machine.sh(f"cp -p {library} {library}.new && mv {library}.new {library}")
    listed = machine.sh("NEEDRESTART_MODE=l needrestart -b -l -r l", check=False)
    named = [line.split(": ", 1)[1] for line in listed.splitlines() if line.startswith("NEEDRESTART-SVC")]
    assert "linod-supervisor@default.service" in named, listed
    assert [unit for unit in named if unit.startswith("linod-") and "@" not in unit] == []


@pytest.mark.long
def test_in_a_container_that_may_not_mount(workshop: Workshop, base: Path) -> None:
    """It says so before it changes anything, and with --no-sandbox each job runs.

    Without these two calls PID 1 boots, and cannot move into a mount namespace that it has made (226).
    """
    with Machine(workshop, base, options=["--system-call-filter=~pivot_root chroot"]) as machine:
        refused = machine.run("bash", "-c", f"cd {SOURCE} && ./install.sh", check=False, timeout=580)
        assert refused.returncode == 1 and "--no-sandbox" in refused.stderr
        assert "nothing was changed" in refused.stderr
        assert machine.run("test", "-e", "/opt/linod", check=False).returncode == 1
        machine.sh(f"cd {SOURCE} && ./install.sh --no-sandbox", timeout=580)
        await_supervisor(machine, "default")
        machine.run("linod-run", "checkdata")
        assert [job["status"] for job in jobs(machine, "checkdata")] == ["success"]
        assert machine.sh("systemctl list-units --failed --plain --no-legend 'linod*'") == ""
        found = machine.run("linod", "doctor", check=False).stdout.splitlines()
        wrong = [line for line in found if line.startswith("WRONG") and "clock" not in line]
        assert wrong == [] and any("cannot have mounts" in line for line in found)
