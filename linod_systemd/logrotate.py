"""What logrotate is to know of the sites: ``python -m linod_systemd.logrotate``, a paragraph for each."""

from __future__ import annotations

import grp
import pwd
from pathlib import Path

from linod_systemd import conf, files

TEMPLATE = Path(__file__).parent / "units" / "linod.logrotate"
TARGET = Path("etc/logrotate.d/linod")


def text() -> str:
    """The paragraphs of all sites whose user exists.

    :raises ConfigurationError: where a SITE.toml cannot be read.
    """
    sites = conf.configured_sites()
    return "".join(_paragraph(site, group) for site in sites if (group := _group(site)))


def write() -> None:
    """Bring logrotate's file up to date, where there is logrotate.

    :raises OSError: where it cannot be written.
    """
    path = conf.root() / TARGET
    if path.parent.is_dir():
        files.write_atomically(path, text())


def _paragraph(site: conf.Site, group: str) -> str:
    values = {"@SITE@": site.name, "@FILE@": str(site.log_file), "@USER@": site.user, "@GROUP@": group}
    result = TEMPLATE.read_text(encoding="utf-8")
    for name, value in values.items():
        result = result.replace(name, value)
    return result


def _group(site: conf.Site) -> str:
    try:
        return grp.getgrgid(pwd.getpwnam(site.user).pw_gid).gr_name
    except KeyError:
        return ""


if __name__ == "__main__":
    print(text(), end="")
