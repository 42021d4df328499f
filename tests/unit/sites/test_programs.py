"""Each place that starts a process is known, and root's side has one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import linod_systemd
from linod_systemd.sites import programs

PACKAGE = Path(linod_systemd.__file__).parent
# Module → what it starts processes by, and why it is not programs.run().
KNOWN = {
    "sites/programs.py": {"subprocess"},
    # As the site's user, by SITE.toml's python: in a pid namespace, where there is no PID 1 to ask.
    "site_processes/held_process.py": {"subprocess"},
    # A process of the site's user, which becomes another python of the same user.
    "site_processes/site_process.py": {"os.execve"},
    # A child that becomes the site's user, and runs code of ours alone.
    "units/read_as_user.py": {"os.fork"},
    # The site's side: nothing of it runs as root.
    "forkserver/client.py": {"os.execv"},
    "forkserver/fork.py": {"os.fork"},
    "supervisor/handover.py": {"os.posix_spawn"},
    "units/logrotate.py": {"os.execv"},
    "cli/simulate.py": {"subprocess"},
}
STARTS = ("exec", "fork", "posix_spawn", "spawn", "system", "popen", "startfile")


def starters(path: Path) -> set[str]:
    """The modules and functions by which a file starts processes."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = [f"{node.value.id}.{node.attr}"]
        for name in names:
            module, _, function = name.partition(".")
            if module in ("subprocess", "multiprocessing", "asyncio.subprocess"):
                found.add(module)
            if module == "os" and function.startswith(STARTS):
                found.add(name)
    return found


def test_nothing_else_starts_a_process() -> None:
    found = {str(path.relative_to(PACKAGE)): starters(path) for path in PACKAGE.rglob("*.py")}
    assert {name: what for name, what in found.items() if what} == KNOWN


def test_the_check_finds_each_way(tmp_path: Path) -> None:
    for text in (
        "import subprocess",
        "from subprocess import run",
        "import os\nos.system('x')",
        "os.spawnl()",
    ):
        (tmp_path / "x.py").write_text(text)
        assert starters(tmp_path / "x.py"), text


def test_a_program_of_root_gets_nothing_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PYTHONPATH", "LD_PRELOAD", "BASH_ENV", "SECRET"):
        monkeypatch.setenv(name, str(tmp_path))
    script = "pwd; readlink /proc/self/fd/0; env; cut -d' ' -f7 /proc/$$/stat"
    said = programs.run(["sh", "-c", script], seconds=10).stdout
    assert said.splitlines()[:2] == ["/", "/dev/null"]
    assert str(tmp_path) not in said
    assert said.splitlines()[-1] == "0", "it has no controlling terminal (proc(5), tty_nr)"


def test_own_modules_are_found_in_no_folder_of_a_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "linod_systemd").mkdir()
    for name in ("linod_systemd/__init__.py", "argparse.py", "jinja2.py", "sitecustomize.py"):
        (tmp_path / name).write_text("import sys; print('hostile'); sys.exit(3)")
    command = programs.own_module("linod_systemd.units.generate", "--help")
    done = programs.run(command, seconds=30, folder=str(tmp_path), environment={"PYTHONPATH": str(tmp_path)})
    assert done.code == 0 and "hostile" not in done.stdout


def test_what_does_not_end_is_killed_and_named() -> None:
    with pytest.raises(programs.ProgramError, match="`sleep 60` did not end within 0 s"):
        programs.run(["sleep", "60"], seconds=0.2)
    with pytest.raises(programs.ProgramError, match="no-such-program is not installed"):
        programs.run(["no-such-program"], seconds=1)
