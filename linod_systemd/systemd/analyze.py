"""Check units by ``systemd-analyze verify``, aside, before anyone sees them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from linod_systemd.sites import programs

BATCH = 200  # units of one call
SECONDS = 120.0  # for one call
COLON = "\\x3a"  # in the place of a colon: escape() leaves colons, so no name has it


def verify(units: Mapping[str, str], directory: Path, *, per_user: bool = False) -> list[str] | None:
    """Return the lines in which ``systemd-analyze verify`` finds fault with these units, which stand aside.

    :param directory: where the units lie that they refer to.

    It exits 0 for an unknown key, so that any line it prints counts. None where it is not installed.
    A target and its drop-ins are looked at alone: it loads all that they name, and the time for that grows
    with the square of their number (docs/systemd-facts.md, 20).

    :raises ProgramError: where it does not end in time.
    """
    if shutil.which("systemd-analyze") is None:
        return None
    targets = {name: text for name, text in units.items() if _unit_of(name).endswith(".target")}
    others = {name: text for name, text in units.items() if name not in targets}
    with (
        tempfile.TemporaryDirectory(prefix="linod-verify-") as folder,
        tempfile.TemporaryDirectory(prefix="linod-verify-") as folder_of_targets,
    ):
        wholes = _laid_out(others, folder)
        batches = [
            (folder, f"{folder}:{directory}:", wholes[begin : begin + BATCH])
            for begin in range(0, len(wholes), BATCH)
        ]
        if targets:
            batches.append((folder_of_targets, folder_of_targets, _laid_out(targets, folder_of_targets)))
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            said = list(threads.map(lambda batch: _complaints(*batch, per_user=per_user), batches))
    return [line for lines in said for line in lines]


def _unit_of(name: str) -> str:
    """The unit that a file is, or is a drop-in of."""
    return name.rpartition("/")[0].removesuffix(".d") or name


def _laid_out(units: Mapping[str, str], folder: str) -> list[str]:
    """Write units into a folder; those to look at."""
    for name, text in units.items():
        path = Path(folder, name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    # A drop-in is looked at with the unit that it belongs to, or one that stands for it.
    names = {_unit_of(name) for name in units if "@." not in name}
    for name in names - set(units):
        Path(folder, name).write_text("[Unit]\n", encoding="utf-8")
    # A colon in an argument parts a file from an alias: such a unit is looked at by another name.
    for name in [name for name in names if ":" in name]:
        Path(folder, name.replace(":", COLON)).write_text(units[name], encoding="utf-8")
    return sorted(name.replace(":", COLON) for name in names)


def _complaints(folder: str, unit_path: str, names: Sequence[str], *, per_user: bool) -> list[str]:
    command = ["systemd-analyze", *(["--user"] if per_user else []), "--man=no", "verify", "--", *names]
    environment = {"SYSTEMD_UNIT_PATH": unit_path, "SYSTEMD_LOG_COLOR": "0"}
    # `systemd-analyze --user` wants one, and a plain su has none.
    environment["XDG_RUNTIME_DIR"] = os.environ.get("XDG_RUNTIME_DIR", folder)
    done = programs.run(command, seconds=SECONDS, folder=folder, environment=environment)
    said = [
        line.replace(f"{folder}/", "").replace(COLON, ":")
        for line in (done.stdout + done.stderr).splitlines()
        if line.strip()
    ]
    if done.code != 0 and not said:
        said = [f"systemd-analyze verify ended with {done.code}"]
    return said
