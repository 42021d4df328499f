"""Who can say where a path leads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from linod_systemd.sites import trust

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
SHOP, OTHER = 4001, 4002


def place(root: Path, name: str, *owners: int) -> Path:
    """Folders below each other, each of one of these users."""
    for number, owner in enumerate(owners):
        root = root / f"{name}{number}"
        root.mkdir(mode=0o755)
        os.chown(root, owner, owner)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in (tmp_path, *tmp_path.parents):
        if not str(folder).startswith("/tmp/") or folder.stat().st_mode & trust.OTHERS_WRITE:
            continue
        folder.chmod(0o755)
    return tmp_path


def sole_owner(root: Path, folder: Path) -> int | None:
    """Of the part below the test's own folder: /tmp is everybody's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trust, "OTHERS_WRITE", 0)
        return trust.sole_owner(str(folder))


def test_the_one_who_owns_a_folder_on_the_way(root: Path) -> None:
    assert sole_owner(root, place(root, "a", 0, 0)) == 0
    assert sole_owner(root, place(root, "b", 0, SHOP, SHOP)) == SHOP


def test_two_of_them_are_nobody(root: Path) -> None:
    assert sole_owner(root, place(root, "c", SHOP, OTHER)) is None


def test_a_link_into_the_folder_of_another_is_nobodys(root: Path) -> None:
    """A site that puts a link to a neighbour's environment in the place of its own."""
    neighbour = place(root, "d", 0, OTHER)
    own = place(root, "e", 0, SHOP)
    (own / "env").symlink_to(neighbour)
    assert sole_owner(root, own / "env") is None


def test_what_others_can_write_is_nobodys(root: Path) -> None:
    folder = place(root, "f", 0)
    folder.chmod(0o777)
    assert trust.sole_owner(str(folder)) is None
