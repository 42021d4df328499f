"""``linod install-site``: what it refuses, by name, with nothing written (it installs in test_lino.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Install = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root installs a site")


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Runs the command on a root of its own, in an empty directory."""
    (tmp_path / "here").mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "linod_systemd.cli", *arguments]
        environment = {**os.environ, "LINOD_ROOT": str(tmp_path)}
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path / "here")

    return run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Shop", "--settings", "s", "--user", "nobody"), "'Shop' is no name of a site"),
        (("shop", "--settings", "s", "--user", "nobody"), "there is no python of the site"),
        (("shop", "--user", "nobody", "--python", "/usr/bin/python3"), "--settings is not given"),
        (("shop", "--settings", "s", "--python", "/usr/bin/python3"), "--user is not given"),
        (
            ("shop", "--settings", "s", "--user", "no-such-one", "--python", "/usr/bin/python3"),
            "the user 'no-such-one' of the site 'shop' does not exist",
        ),
        (
            ("shop", "--settings", "s", "--user", "root", "--python", "/usr/bin/python3"),
            "does not run as root",
        ),
        (("shop", "--settings", "s", "--user", "nobody", "--python", "bin/python"), "give an absolute path"),
        (
            ("shop", "--settings", "no_such.settings", "--user", "nobody", "--python", "/usr/bin/false"),
            "does not load as nobody",
        ),
    ],
)
def test_what_it_refuses(install: Install, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    done = install("install-site", *arguments)
    is_refused = any(word in said for word in ("does not exist", "as root", "absolute path"))
    assert (done.returncode, said in done.stderr) == (2 if is_refused else 1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("etc/linod/*"))


def test_uninstalling_what_is_not_installed(install: Install) -> None:
    done = install("uninstall-site", "shop")
    assert "the site 'shop' is not installed" in done.stderr and done.returncode != 0
