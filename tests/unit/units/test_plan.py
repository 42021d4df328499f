"""Wanted against installed: a plan that is data."""

from __future__ import annotations

from pathlib import Path

from linod_systemd.units import plan, render
from linod_systemd.units.plan import Installed

OURS = render.mark("shop") + "\n"
OTHERS = render.mark("other") + "\n"


def test_add_change_remove_leave() -> None:
    installed = Installed({"linod-a.timer": OURS + "1", "linod-b.timer": OURS, "linod-c.timer": OURS})
    todo = plan.compute(
        {"linod-a.timer": OURS + "2", "linod-b.timer": OURS, "linod-d.service": OURS}, installed, ["shop"]
    )
    assert list(todo.add) == ["linod-d.service"]
    assert list(todo.change) == ["linod-a.timer"]
    assert todo.remove == ("linod-c.timer",)
    assert todo.leave == ("linod-b.timer",)
    assert plan.counted([todo, todo]) == "2 added, 2 changed, 2 removed, 2 left as they were"
    assert "-1" in list(todo.diff()) and "+2" in list(todo.diff())


def test_other_sites_files_are_left() -> None:
    installed = Installed({"linod-other-x.timer": OTHERS, "linod.target": render.mark(None)})
    assert plan.compute({}, installed, ["shop"]).remove == ()
    assert plan.compute({}, installed, ["other"]).remove == ("linod-other-x.timer",)
    assert plan.owners(installed) == {"other"}
    assert plan.sizes(installed) == {"other": len(OTHERS), "": len(render.mark(None))}


def test_services_come_before_timers_and_drop_ins_last() -> None:
    names = ["linod.target.d/50-shop.conf", "linod-a.timer", "linod-a.service"]
    todo = plan.compute(dict.fromkeys(names, OURS), Installed(), ["shop"])
    assert list(todo.write) == names[::-1]
    gone = plan.compute({}, Installed(dict.fromkeys(names, OURS)), ["shop"])
    assert list(gone.remove) == names


def test_installed_files_are_ours_by_their_first_line(tmp_path: Path) -> None:
    (tmp_path / "linod-a.service").write_text(OURS + "[Unit]\n")
    (tmp_path / "linod-b.service").write_text("[Unit]\n" + OURS)
    (tmp_path / "linod-c.service").symlink_to("/dev/null")
    (tmp_path / "linod-a.service.d").mkdir()
    (tmp_path / "linod-a.service.d/mine.conf").write_text("[Service]\n")
    (tmp_path / "linod.target.d").mkdir()
    (tmp_path / "linod.target.d/50-shop.conf").write_text(OURS)
    (tmp_path / "linodia.service").write_text("[Unit]\n")
    found = plan.read_installed(tmp_path)
    assert set(found.ours) == {"linod-a.service", "linod.target.d/50-shop.conf"}
    assert set(found.foreign) == {"linod-b.service", "linod-c.service"}
