"""A pytest plugin, loaded before Django's settings: every test run has folders of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from linod_systemd.sites import config

ROOT = Path(tempfile.mkdtemp(prefix="linod-tests-"))
atexit.register(shutil.rmtree, ROOT, ignore_errors=True)
os.environ["LINOD_ROOT"] = str(ROOT)
os.environ["XDG_STATE_HOME"] = str(ROOT / "state")
os.environ.pop("LINOD_SITE", None)

config.ensure_directories(config.demo_site())  # the tests' database lies there
