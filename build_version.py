"""The version of a build: the release, and the commit where the source is a git checkout.

Examples: ``0.1.0+g1a2b3c4d5e``; ``0.1.0+g1a2b3c4d5e.changed`` with edits that no commit has; ``0.1.0`` from
an archive. So `linod doctor` can tell two builds of one release apart.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELEASE = "0.1.0"
SOURCES = ("linod_systemd", "units", "pyproject.toml", "build_version.py")


class CustomMetadataHook(MetadataHookInterface):
    """Hatchling finds it by its name."""

    def update(self, metadata: dict[str, Any]) -> None:
        metadata["version"] = version(Path(self.root))


def version(checkout: Path) -> str:
    """The version of the sources in a folder (PEP 440)."""
    if not (checkout / ".git").exists():
        return RELEASE
    commit = _git(checkout, "rev-parse", "--short=10", "HEAD")
    if not commit:
        return RELEASE
    changed = ".changed" if _git(checkout, "status", "--porcelain", "--", *SOURCES) else ""
    return f"{RELEASE}+g{commit}{changed}"


def _git(checkout: Path, *words: str) -> str:
    """The answer of git; nothing where it is not installed, or there is no commit yet."""
    # safe.directory: root installs from a checkout of another user. No hook of that user runs.
    options = ("--no-optional-locks", "-c", f"safe.directory={checkout}", "-c", "core.fsmonitor=false")
    command = ["git", *options, "-C", str(checkout), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - fixed words alone
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
