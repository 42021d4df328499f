"""Which site a command is for: config.find_site()."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from linod_systemd.errors import ConfigurationError
from linod_systemd.sites import config

USER = config.user_name()


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of SITE.toml files, empty; nothing of the environment names a site."""
    monkeypatch.setenv("LINOD_ROOT", str(tmp_path))
    for name in ("LINOD_SITE", "DJANGO_SETTINGS_MODULE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "etc/linod"
    folder.mkdir(parents=True)
    return folder


def add(sites: Path, name: str) -> None:
    (sites / f"{name}.toml").write_text(
        f'user = "{USER}"\nsettings = "{name}.settings"\npython = "/usr/bin/python3"\ndirectory = "/"\n'
        + ("as_root = true\n" if os.geteuid() == 0 else "")
    )


def test_none_is_configured(sites: Path) -> None:
    found = config.find_site()
    assert (found.name, found.configured, found.settings) == ("default", False, config.DEMO_SETTINGS)


def test_the_only_one(sites: Path) -> None:
    add(sites, "shop")
    assert config.find_site().name == "shop"
    assert config.find_site(changes=True).name == "shop"


def test_one_of_several_by_name_or_environment(sites: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(sites, "shop")
    add(sites, "club")
    assert config.find_site("club").name == "club"
    monkeypatch.setenv("LINOD_SITE", "shop")
    assert config.find_site().name == "shop"
    assert config.find_site("club").name == "club", "who names it knows better than the environment"


def test_of_several_a_change_wants_a_name(sites: Path) -> None:
    for name in ("shop", "club", "default"):
        add(sites, name)
    assert config.find_site().name == "default"
    with pytest.raises(ConfigurationError, match="several sites .*club, default, shop.*--site SITE"):
        config.find_site(changes=True)


@pytest.mark.parametrize("name", ["nothing", "../etc/passwd", "Shop", ""])
def test_a_name_that_is_none(sites: Path, name: str) -> None:
    if name:
        with pytest.raises(ConfigurationError):
            config.find_site(name)
    else:
        assert config.find_site(name).name == "default"


def test_the_settings_of_a_project_without_site_toml(sites: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop.settings")
    found = config.find_site()
    assert (found.name, found.settings, found.configured) == ("shop", "shop.settings", False)


def test_the_settings_that_a_site_toml_names(sites: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add(sites, "shop")
    add(sites, "club")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "club.settings")
    assert config.find_site().name == "club"
