"""What root reads at the border is bounded, and its child does not outlive it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from linod_systemd.errors import ConfigurationError
from linod_systemd.sites import config
from linod_systemd.units import read_as_user


@pytest.fixture
def site(tmp_path: Path) -> config.Site:
    made = config.demo_site("shop")
    return config.Site(**{**vars(made), "state_directory": tmp_path})


def test_child_that_never_ends_is_killed(site: config.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that does not answer: the kernel lets the child read for ever."""
    monkeypatch.setattr(read_as_user, "MOST_SECONDS", 0.2)
    monkeypatch.setattr(read_as_user, "_send_rules", lambda *_: time.sleep(600))
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match="did not come within"):
        read_as_user.read_rules(site)
    assert time.monotonic() - began < 10
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_endless_answer_is_cut_off(site: config.Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(site: config.Site, pipe: int) -> int:
        while True:
            os.write(pipe, b"x" * 65536)

    monkeypatch.setattr(read_as_user, "_send_rules", endless)
    with pytest.raises(ConfigurationError, match="is larger than"):
        read_as_user.read_rules(site)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is careful whom it believes")
def test_site_file_is_believed_only_if_it_is_roots(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text('user = "x"\nsettings = "x"\npython = "/x"\ndirectory = "/x"\nwritable = ["/y"]\n')
    path.chmod(0o644)
    assert config.read_site(path).writable == ("/y",)
    for owner, mode, said in (
        (1, 0o644, "belongs to daemon"),
        (0, 0o664, "written by others"),
        (0, 0o646, "-rw-r--rw-"),
    ):
        os.chown(path, owner, 0)
        path.chmod(mode)
        with pytest.raises(ConfigurationError, match=said) as caught:
            config.read_site(path)
        assert "chown root:root" in caught.value.remedy
