"""What a site asks root's side for: each once, none lost, nothing taken that is no request."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from linod_systemd.errors import ConfigurationError
from linod_systemd.sites import config, requests
from linod_systemd.units import read_as_user


@pytest.fixture
def site(tmp_path: Path) -> config.Site:
    made = config.Site(**{**vars(config.demo_site("shop")), "state_directory": tmp_path})
    made.request_directory.mkdir()
    return made


def test_asked_a_hundred_times_is_one_request(site: config.Site) -> None:
    for _ in range(100):
        requests.request_run(site, "check data/ü")
        requests.request_export(site)
    assert len(list(site.request_directory.iterdir())) == 2
    assert read_as_user.take(site).run == ["check data/ü"]
    assert list(site.request_directory.iterdir()) == []
    assert list(site.state_directory.iterdir()) == []
    assert read_as_user.take(site).run == []


def test_what_is_withdrawn_is_not_run(site: config.Site) -> None:
    requests.request_run(site, "checkdata")
    assert requests.withdraw_run(site, "checkdata")
    assert not requests.withdraw_run(site, "checkdata")
    assert read_as_user.take(site).run == []


def test_folder_that_is_not_there_asks_for_nothing(site: config.Site) -> None:
    site.request_directory.rmdir()
    assert read_as_user.take(site) == requests.Taken()
    requests.request_export(site)
    assert read_as_user.take(site) == requests.Taken()


def test_what_is_no_request_is_told_and_removed(site: config.Site) -> None:
    folder = site.request_directory
    (folder / "link").symlink_to("/etc/shadow")
    os.mkfifo(folder / "fifo")
    (folder / "empty").mkdir()
    (folder / "run-0").write_text("checkdata")
    (folder / "run-1").write_bytes(b"\xff" * 10)
    (folder / "big").write_bytes(b"x" * 10_000)
    requests.request_run(site, "checkdata")
    taken = read_as_user.take(site)
    assert taken.run == ["checkdata"]
    assert len(taken.troubles) == 6
    assert taken.stuck == []
    assert list(folder.iterdir()) == []


def test_what_cannot_be_removed_is_stuck(site: config.Site) -> None:
    (site.request_directory / "full/of").mkdir(parents=True)
    requests.request_run(site, "checkdata")
    taken = read_as_user.take(site)
    assert taken.run == ["checkdata"]
    assert [said for said in taken.stuck if "'full' cannot be removed" in said]


@pytest.mark.parametrize(
    "said", ['{"run": [1]}', '{"run": "x"}', '{"other": []}', "[]", "{", '{"run": ["%s"]}']
)
def test_what_its_child_should_not_have_sent_is_refused(
    site: config.Site, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(site: config.Site, pipe: int) -> int:
        os.write(pipe, said.replace("%s", "x" * 5000).encode())
        return read_as_user.FINE

    monkeypatch.setattr(read_as_user, "_send_requests", send)
    with pytest.raises(ConfigurationError, match="cannot be taken"):
        read_as_user.take(site)


def test_link_in_the_place_of_the_folder_is_not_followed(site: config.Site, tmp_path: Path) -> None:
    site.request_directory.rmdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/rules").touch()
    site.request_directory.symlink_to(tmp_path / "elsewhere")
    assert "cannot be read" in read_as_user.take(site).stuck[0]
    assert (tmp_path / "elsewhere/rules").exists()
