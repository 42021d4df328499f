"""A pytest plugin, loaded before Django's settings: every test run has folders of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from linod_systemd import conf

ROOT = Path(tempfile.mkdtemp(prefix="linod-tests-"))
atexit.register(shutil.rmtree, ROOT, ignore_errors=True)
os.environ["LINOD_ROOT"] = str(ROOT)
os.environ["XDG_STATE_HOME"] = str(ROOT / "state")
os.environ.pop("LINOD_SITE", None)

conf.ensure_directories(conf.demo_site())  # the tests' database lies there
