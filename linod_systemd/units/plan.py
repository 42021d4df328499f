"""Compare wanted units with installed ones: add, change, remove, leave. Pure, but for reading the latter."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from linod_systemd.units.render import owner

# The files of a unit directory that are ours, if they are marked.
PATTERNS = ("linod[-.@]*", "linod.target.d/*.conf", "run-linod-*.mount")


@dataclass(frozen=True)
class Installed:
    """The files of a unit directory: ours by name → text, and the names of those that are not."""

    ours: Mapping[str, str] = field(default_factory=dict)
    foreign: Collection[str] = ()


@dataclass(frozen=True)
class Plan:
    """File name → text (``before``: the installed one) of what is to be done."""

    add: Mapping[str, str]
    change: Mapping[str, str]
    remove: tuple[str, ...]
    leave: tuple[str, ...]
    before: Mapping[str, str]

    @property
    def is_empty(self) -> bool:
        return not (self.add or self.change or self.remove)

    @property
    def write(self) -> dict[str, str]:
        """The files to write: services before the timers that start them, the drop-ins last."""
        every = {**self.add, **self.change}
        return {name: every[name] for name in sorted(every, key=_order)}

    def diff(self) -> Iterator[str]:
        """The lines of a unified diff."""
        after = {**self.add, **self.change}
        for name in sorted({*after, *self.remove}):
            yield from difflib.unified_diff(
                self.before.get(name, "").splitlines(),
                after.get(name, "").splitlines(),
                f"installed/{name}",
                f"wanted/{name}",
                lineterm="",
            )


def counted(plans: Iterable[Plan]) -> str:
    """Count the changes in a line: ``2 added, 1 changed, 0 removed, 14 left as they were``."""
    done = list(plans)
    numbers = {
        "added": sum(len(one.add) for one in done),
        "changed": sum(len(one.change) for one in done),
        "removed": sum(len(one.remove) for one in done),
        "left as they were": sum(len(one.leave) for one in done),
    }
    return ", ".join(f"{number} {what}" for what, number in numbers.items())


def owners(installed: Installed) -> set[str]:
    """The sites that have files of ours."""
    return set(sizes(installed)) - {""}


def sizes(installed: Installed) -> dict[str, int]:
    """Count the characters of the files of each site; the name is empty for files that all share."""
    found: dict[str, int] = {}
    for text in installed.ours.values():
        site = owner(text.partition("\n")[0]) or ""
        found[site] = found.get(site, 0) + len(text)
    return found


def compute(wanted: Mapping[str, str], installed: Installed, sites: Collection[str]) -> Plan:
    """Return the plan that leads from the installed files to the wanted ones.

    :param sites: the sites that ``wanted`` speaks for: files of others are left.
    """
    ours = installed.ours
    gone = [
        name for name, text in ours.items() if name not in wanted and owner(text.partition("\n")[0]) in sites
    ]
    return Plan(
        add={name: text for name, text in wanted.items() if name not in ours},
        change={name: text for name, text in wanted.items() if name in ours and ours[name] != text},
        remove=tuple(sorted(gone, key=_order, reverse=True)),
        leave=tuple(name for name, text in wanted.items() if ours.get(name) == text),
        before=ours,
    )


def _order(name: str) -> tuple[int, str]:
    if "/" in name:
        return 2, name
    return int(name.endswith((".timer", ".path", ".socket"))), name


def read_installed(directory: Path) -> Installed:
    """Read the linod units of a directory.

    :raises OSError: where a file is there and cannot be read.
    """
    ours: dict[str, str] = {}
    foreign: list[str] = []
    paths = [path for pattern in PATTERNS for path in directory.glob(pattern)]
    for path in sorted(paths):
        if path.is_dir():
            continue
        name = str(path.relative_to(directory))
        text = "" if path.is_symlink() else path.read_text(encoding="utf-8", errors="replace")
        if owner(text.partition("\n")[0]) is None:
            foreign.append(name)
        else:
            ours[name] = text
    return Installed(ours, tuple(foreign))
