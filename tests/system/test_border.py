"""Root imports nothing of a site, and is not led astray by what a site puts in its way."""

from __future__ import annotations

import json
import time

import pytest

from tests.support.machine import Machine

long = pytest.mark.long

PACKAGES = "$(echo /opt/linod/lib/python3*/site-packages)"
# Loaded by every python of the venv, also with -I. What it notes goes where root's unit can write.
AUDIT = """
import os, sys
handle = os.open('/etc/systemd/system/audit.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
def hook(event, arguments):
    if event in ('open', 'import', 'exec', 'compile', 'os.listdir', 'subprocess.Popen', 'os.exec'):
        what = ' '.join(str(part) for part in arguments[:2] if isinstance(part, (str, bytes, int, list)))
        if event == 'exec':
            what = arguments[0].co_filename
        os.write(handle, f'{os.geteuid()}\\t{event}\\t{what}\\n'.encode('utf-8', 'replace'))
sys.addaudithook(hook)
"""
# At the import of its settings, as whom it is run, and whether it got in.
INTRUDER = """
import os
for place in ("/root/owned", "/etc/owned", "/etc/systemd/system/owned.service"):
    try:
        open(place, "w").close()
        got_in = "got in"
    except OSError:
        got_in = "kept out"
    with open("/var/lib/linod/shop/tried", "a") as file:
        file.write(f"{os.geteuid()} {got_in}\\n")
"""
CHILD = """
import json, os, sys
from linod_systemd.sites import config, site_user
os.setgroups([0, 4, 27])
account = site_user.account_of(config.find_site("shop"))
site_user.drop_privileges(account)
print(open("/proc/self/status").read())
"""


def only_long(*cases: tuple[str, str]) -> list[object]:
    return [pytest.param(*case, marks=long) for case in cases]


def test_hostile_settings_run_as_their_user_alone(shop: Machine) -> None:
    shop.sh(f"cat >> /srv/shop/shop/settings.py <<'END'\n{INTRUDER}\nEND")
    shop.sh("systemctl start linod-generate@shop linod-shop-warns; systemctl restart linod-supervisor@shop")
    for command in (
        *(
            "linod-generate-units",
            "linod-generate-units --site shop --apply --diff",
            "linod --site shop status",
        ),
        *("linod-run --site shop warns", "linod --site shop setup", "linod --site shop manage check"),
        *("linod --site shop jobs", "linod --site shop export"),
    ):
        shop.sh(f"cd /srv/shop && {command}")
    uid = shop.sh("id -u shop").strip()
    tried = shop.read("/var/lib/linod/shop/tried").splitlines()
    assert len(tried) >= 3 * 6
    assert set(tried) == {f"{uid} kept out"}
    assert shop.sh("ls /root/owned /etc/owned /etc/systemd/system/owned.service 2>/dev/null || true") == ""


@pytest.mark.parametrize("how", ["by hand", pytest.param("unit", marks=long)])
def test_root_opens_and_imports_nothing_of_a_site(shop: Machine, how: str) -> None:
    shop.sh("systemctl stop linod.target linod-generate@shop.service")
    shop.sh(f"cat > {PACKAGES}/audit_of_root.py <<'END'\n{AUDIT}\nEND")
    shop.sh(f"echo import audit_of_root > {PACKAGES}/audit_of_root.pth")
    shop.sh("cd /srv/shop && touch sitecustomize.py jinja2.py json.py; touch /etc/systemd/system/audit.log")
    shop.sh("chmod 666 /etc/systemd/system/audit.log; : > /etc/systemd/system/audit.log")
    if how == "unit":
        shop.sh("systemctl start linod-generate@shop")
    else:
        shop.sh("cd /srv/shop && linod-generate-units --site shop")
    uid = shop.sh("id -u shop").strip()
    rows = [line.split("\t", 2) for line in shop.read("/etc/systemd/system/audit.log").splitlines()]
    of_root = [(event, what) for user, event, what in rows if user == "0"]
    assert ("import", "linod_systemd.units.read_as_user") in [
        (event, what.split()[0]) for event, what in of_root if what
    ]
    assert [what for event, what in of_root if "/srv/shop" in what or "/var/lib/linod/shop" in what] == []
    imported = {what.split()[0].partition(".")[0] for event, what in of_root if event == "import" and what}
    assert not imported & {"shop", "django", "sqlite3"}
    of_user = [what for user, event, what in rows if user == uid]
    if how == "by hand":  # the supervisor's own python is in the log of the unit, too
        opened = {what.split()[0] for what in of_user if not what.startswith("/usr/share/zoneinfo")}
        opened = {what for what in opened if not what.isdigit()}  # a descriptor that is open already
        assert opened <= {"/var/lib/linod/shop/rules.json", "/dev/null"}
    assert any(what.startswith("/var/lib/linod/shop/rules.json") for what in of_user)


HOSTILE_MODULES = (
    *("argparse", "jinja2", "json", "sitecustomize", "usercustomize", "subprocess", "pwd", "tomllib", "rich"),
    *("shtab", "jeepney", "pydantic", "dateutil", "systemd", "psutil", "encodings", "site", "linod_systemd"),
)
TYPED_BY_ROOT = (
    *(
        "linod-generate-units",
        "linod-generate-units --check --diff",
        "linod-generate-units --site shop --apply",
    ),
    *("linod doctor", "linod doctor shop --json", "linod completion bash", "linod --help", "linod --version"),
    *(
        "linod --site shop status",
        "linod --site shop next ticks",
        "linod --site shop jobs",
        "linod-run --help",
    ),
    *("linod-run --site shop warns", "linod-run --site shop --here warns", "linod --site shop manage check"),
    *(
        "linod install-site shop",
        "linod next daily --rules /tmp/one.json",
        "linod calendar --rules /tmp/one.json",
    ),
    "linod uninstall-site shop",
)


@pytest.mark.long
def test_root_may_stand_in_a_folder_of_hostile_modules(shop: Machine) -> None:
    """Nothing there is run by any command that root types, whatever folder root's shell is in."""
    shop.sh(f"cat > {PACKAGES}/audit_of_root.py <<'END'\n{AUDIT}\nEND")
    shop.sh(f"echo import audit_of_root > {PACKAGES}/audit_of_root.pth")
    shop.sh("touch /etc/systemd/system/audit.log && chmod 666 /etc/systemd/system/audit.log")
    document = {"version": 1, "site": "x", "timezone": "UTC", "rules": [{"name": "daily"}]}
    shop.write("/tmp/one.json", json.dumps(document))
    hostile = "/srv/shop/hostile"
    shop.sh(f"mkdir {hostile}")
    for name in HOSTILE_MODULES:
        got_in = "import os\nopen(f'/var/lib/linod/shop/got_in_{os.geteuid()}', 'w').close()\n"
        shop.write(f"{hostile}/{name}.py", got_in)
        shop.write(f"{hostile}/{name}_/__init__.py", got_in)
        shop.sh(f"mv {hostile}/{name}_ {hostile}/{name}")
    shop.sh("chown -R shop /srv/shop")
    for command in TYPED_BY_ROOT:
        for variables in ("", "PYTHONPATH=. PYTHONSTARTUP=argparse.py PYTHONHOME= "):
            done = shop.run("bash", "-c", f"cd {hostile} && {variables}{command}", check=False)
            assert "Traceback" not in done.stderr, command
    assert shop.sh("ls /var/lib/linod/shop/got_in_* 2>/dev/null || true") == ""
    rows = [line.split("\t", 2) for line in shop.read("/etc/systemd/system/audit.log").splitlines()]
    of_root = [f"{event} {what}" for user, event, what in rows if user == "0"]
    assert len(of_root) > 1000
    assert [line for line in of_root if hostile in line or line.startswith(("exec ./", "open ./"))] == []


@long
def test_becoming_the_user_leaves_nothing_of_root(shop: Machine) -> None:
    shop.sh("groupadd helpers && usermod -aG helpers shop")
    status = dict(
        line.split(":\t", 1)
        for line in shop.run("/opt/linod/bin/python", "-c", CHILD).stdout.splitlines()
        if ":\t" in line
    )
    uid, gid = shop.sh("id -u shop").strip(), shop.sh("id -g shop").strip()
    assert status["Uid"].split() == [uid] * 4
    assert status["Gid"].split() == [gid] * 4
    assert set(status["Groups"].split()) == set(shop.sh("id -G shop").split())
    assert status["NoNewPrivs"] == "1"
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}


@long
def test_site_types_nothing_into_roots_terminal(shop: Machine) -> None:
    """TIOCSTI: root's shell would read it, and do it, once the command has ended."""
    keys = "import fcntl, termios\nfor key in b'x\\n': fcntl.ioctl(0, termios.TIOCSTI, bytes([key]))\n"
    shop.write("/srv/shop/keys.py", keys)
    command = "linod --site shop manage shell -v0 -c \"exec(open('/srv/shop/keys.py').read())\""
    shop.write("/tmp/terminal.sh", f'{command}\n{command} </dev/null\nread -t 1 line; echo "read:<$line>"\n')
    said = shop.sh("script -qec 'bash /tmp/terminal.sh' /dev/null < /dev/null", check=False)
    assert "read:<>" in said and "Inappropriate ioctl for device" in said


@long
def test_environment_of_root_does_not_come_along(shop: Machine) -> None:
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    hostile = "LD_LIBRARY_PATH=/tmp PYTHONSTARTUP=/tmp/x SECRET_OF_ROOT=1 SSH_AUTH_SOCK=/x SUDO_USER=x"
    done = shop.run(
        "env", *hostile.split(), "linod", "--site", "shop", "manage", "shell", "-v0", "-c", script
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert not set(found) & {assignment.partition("=")[0] for assignment in hostile.split()}
    assert (found["HOME"], found["USER"], found["LINOD_SITE"]) == ("/home/shop", "shop", "shop")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("rm {0}; mkfifo {0}", "is no plain file"),
        *only_long(
            ("ln -sf /etc/shadow {}", "cannot be read as shop"),
            ("rm {0}; mkdir {0}", "is no plain file"),
            ("rm {0}; python3 -c \"import socket; socket.socket(1).bind('{0}')\"", "cannot be read as shop"),
            ("truncate -s 1T {}", "is larger than 16777216 bytes"),
            ("chown root {0}; chmod 600 {0}", "cannot be read as shop"),
            ("mv {0} {0}.x; ln {0}.x {0}; python3 -c 'print(\"[\" * 10**6)' > {0}", "is no JSON"),
        ),
    ],
)
def test_what_lies_in_the_place_of_rules_json(both_sites: Machine, spoil: str, said: str) -> None:
    both_sites.sh("systemctl stop linod.target linod-generate@shop.service")
    both_sites.sh(spoil.format("/var/lib/linod/shop/rules.json"))
    began = time.monotonic()
    done = both_sites.run("linod-generate-units", check=False, timeout=30)
    assert time.monotonic() - began < 20
    assert done.returncode in (1, 2)
    assert said in done.stderr and "root:" not in done.stderr
    assert both_sites.sh(
        "ls /etc/systemd/system/linod-shop-ticks.timer /etc/systemd/system/linod-checkdata.timer"
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("chown shop /etc/linod/shop.toml", "/etc/linod/shop.toml belongs to shop"),
        *only_long(
            ("chmod g+w /etc/linod/shop.toml", "/etc/linod/shop.toml can be written by others than root"),
            ("chmod o+w /etc/linod", "/etc/linod can be written by others than root"),
            ("chown shop /etc/linod", "/etc/linod belongs to shop"),
            ("mv /etc/linod/shop.toml /srv/x && ln -s /srv/x /etc/linod/shop.toml", "is a symbolic link"),
            ("rm /etc/linod/shop.toml && mkfifo /etc/linod/shop.toml", "is no plain file"),
        ),
    ],
)
def test_site_file_must_be_roots(shop: Machine, spoil: str, said: str) -> None:
    shop.sh(spoil)
    for command in ("linod-generate-units", "linod-run --site shop warns", "linod --site shop status"):
        done = shop.run(*command.split(), check=False, timeout=30)
        assert done.returncode == 1
        assert said in done.stderr and "Traceback" not in done.stderr
        assert (
            "chown root:root" in done.stderr
            or "put the file itself" in done.stderr
            or "remove it" in done.stderr
        )
    assert shop.sh("systemctl is-active linod-shop-ticks.timer") == "active\n"
