"""linod-generate-units: from rules.json to files, with nothing but systemd-analyze."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile_rules import hostile_rules

Generate = Callable[..., subprocess.CompletedProcess[str]]
RULE: dict[str, Any] = {"name": "checkdata", "start_date": "2026-01-31", "start_time": "04:00:00"}


def write_rules(path: Path, *rules: dict[str, Any], **values: Any) -> Path:
    document = {"version": 1, "site": "default", "timezone": "UTC", "rules": list(rules), **values}
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def generate(tmp_path: Path) -> Generate:
    """Runs the command in a process of its own, on a root of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "LINOD_ROOT": str(tmp_path / "root")}
        command = [sys.executable, "-m", "linod_systemd.units.generate", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    return run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "units"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return tmp_path / "rules.json"


def states(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_first_run_second_run_and_a_change(generate: Generate, rules: Path, out: Path) -> None:
    arguments = ("--rules", str(write_rules(rules, RULE)), "--output", str(out))
    checked = generate(*arguments, "--check")
    assert (checked.returncode, out.exists()) == (1, False)
    first = generate(*arguments)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout == f"{out}: 16 added, 0 changed, 0 removed, 0 left as they were\n"
    before = states(out)
    assert {"linod-checkdata.timer", "linod-checkdata.service", "linod.target"} <= set(before)
    assert generate(*arguments).stdout == f"{out}: 0 added, 0 changed, 0 removed, 16 left as they were\n"
    assert generate(*arguments, "--check").returncode == 0
    assert states(out) == before
    write_rules(rules, {**RULE, "timeout": 60})
    changed = generate(*arguments, "--diff")
    assert "+TimeoutStartSec=60s" in changed.stdout and "-TimeoutStartSec=7200s" in changed.stdout
    assert "0 added, 1 changed, 0 removed" in changed.stdout
    after = states(out)
    assert [name for name in after if after[name] != before[name]] == ["linod-checkdata.service"]
    write_rules(rules)
    assert "0 added, 1 changed, 2 removed, 13 left" in generate(*arguments).stdout
    assert set(before) - set(states(out)) == {"linod-checkdata.timer", "linod-checkdata.service"}
    assert not [name for name in os.listdir(out) if name.startswith(".")]


def test_cancelled_rule_keeps_its_files_and_is_not_upheld(generate: Generate, rules: Path, out: Path) -> None:
    write_rules(rules, {**RULE, "cancelled": True}, {**RULE, "name": "live"})
    generate("--rules", str(rules), "--output", str(out))
    drop_in = (out / "linod.target.d/50-default.conf").read_text()
    assert "Upholds=linod-live.timer" in drop_in and "checkdata" not in drop_in
    assert (out / "linod-checkdata.timer").exists()


def test_refused_rule_is_named_and_the_others_are_written(generate: Generate, rules: Path, out: Path) -> None:
    write_rules(rules, {**RULE, "every": 0}, {**RULE, "name": "good"})
    done = generate("--rules", str(rules), "--output", str(out))
    assert done.returncode == 2
    assert "'checkdata'" in done.stderr and "every" in done.stderr
    assert (out / "linod-good.timer").exists() and not (out / "linod-checkdata.timer").exists()


@pytest.mark.parametrize("name", [".target%.target2360", "mail.target", "x.target.d"])
def test_rule_that_is_named_like_a_target(generate: Generate, rules: Path, out: Path, name: str) -> None:
    done = generate("--rules", str(write_rules(rules, {**RULE, "name": name}, RULE)), "--output", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(out.glob("linod-*target*.timer"))) == 1


def test_circle_of_run_after_is_refused_by_name(generate: Generate, rules: Path, out: Path) -> None:
    circle = [{**RULE, "name": "a", "run_after": ["b"]}, {**RULE, "name": "b", "run_after": ["a"]}]
    write_rules(rules, *circle, {**RULE, "name": "c", "run_after": ["a"]})
    done = generate("--rules", str(rules), "--output", str(out))
    assert done.returncode == 2
    assert "rule 'a' is in a circle: 'a' runs after 'b', which runs after 'a'" in done.stderr
    assert sorted(path.name for path in out.glob("linod-*.timer")) == ["linod-c.timer"]
    assert "linod-a.service" not in (out / "linod-c.service").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": 1, "site": "default", "rul', "is no JSON"),
        ('{"version": 9, "site": "default", "rules": []}', "is of version 9, not 1"),
        ('{"version": 1, "site": "default", "rules": [], "colour": 1}', "unknown key 'colour'"),
    ],
)
def test_unusable_rules_write_nothing(
    generate: Generate, rules: Path, out: Path, text: str, said: str
) -> None:
    generate("--rules", str(write_rules(rules, RULE)), "--output", str(out))
    before = states(out)
    rules.write_text(text)
    done = generate("--rules", str(rules), "--output", str(out))
    assert done.returncode == 2
    assert said in done.stderr and "linod export" in done.stderr
    assert states(out) == before


def test_rules_that_are_not_there(generate: Generate, out: Path) -> None:
    done = generate("--rules", "/nowhere/rules.json", "--output", str(out))
    assert done.returncode == 2
    assert "/nowhere/rules.json cannot be read" in done.stderr


def test_unmarked_file_is_refused(generate: Generate, rules: Path, out: Path) -> None:
    out.mkdir()
    (out / "linod-checkdata.timer").write_text("[Timer]\n")
    done = generate("--rules", str(write_rules(rules, RULE)), "--output", str(out))
    assert done.returncode == 1
    assert "linod-checkdata.timer is there and was not generated by linod-generate-units" in done.stderr
    assert os.listdir(out) == ["linod-checkdata.timer"]


def test_needs_no_django_and_imports_no_site(rules: Path, out: Path) -> None:
    script = (
        "import sys; from linod_systemd.units.generate import main; main(sys.argv[1:]);"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'django'], 'Django is imported'"
    )
    arguments = ["--rules", str(write_rules(rules, RULE)), "--output", str(out)]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def configure(root: Path, name: str, **values: str) -> None:
    defaults = {"user": "root", "settings": "x.settings", "python": "/usr/bin/python3", "directory": "/srv"}
    path = root / "etc/linod" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'{key} = "{value}"\n' for key, value in {**defaults, **values}.items()]
    path.write_text("".join(["as_root = true\n", *lines]))


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads the sites' rules")
def test_every_site_is_generated_and_removed_again(generate: Generate, tmp_path: Path, out: Path) -> None:
    root = tmp_path / "root"
    for name in ("shop", "office"):
        configure(root, name)
        (root / "var/lib/linod" / name).mkdir(parents=True)
        write_rules(root / "var/lib/linod" / name / "rules.json", RULE, site=name)
    assert generate("--output", str(out)).returncode == 0
    assert {"linod-shop-checkdata.timer", "linod-office-checkdata.timer"} <= set(os.listdir(out))
    write_rules(root / "var/lib/linod/shop/rules.json", site="shop")
    assert generate("--output", str(out), "--site", "shop").returncode == 0
    assert "linod-shop-checkdata.timer" not in os.listdir(out)
    assert "linod-office-checkdata.timer" in os.listdir(out)
    (root / "etc/linod/office.toml").unlink()
    assert generate("--output", str(out)).returncode == 0
    assert not [name for name in os.listdir(out) if "office" in name]


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads the sites' rules")
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("ln -sf /etc/shadow {}", "cannot be read as root"),
        ("rm {0}; mkfifo {0}", "is no plain file"),
        ("rm {0}; mkdir {0}", "is no plain file"),
        ("truncate -s 20M {}", "is larger than"),
        ("printf '\\377' > {}", "no UTF-8"),
        ("sed -i s/shop/other/ {}", "is of the site 'other'"),
    ],
)
def test_root_refuses_what_is_no_plain_file(
    generate: Generate, tmp_path: Path, out: Path, spoil: str, said: str
) -> None:
    root = tmp_path / "root"
    configure(root, "shop")
    path = root / "var/lib/linod/shop/rules.json"
    path.parent.mkdir(parents=True)
    write_rules(path, RULE, site="shop")
    subprocess.run(spoil.format(path), shell=True, check=True)  # noqa: S602
    done = generate("--output", str(out))
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert not out.exists() or os.listdir(out) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads the sites' rules")
def test_one_unreadable_site_does_not_hold_up_the_others(
    generate: Generate, tmp_path: Path, out: Path
) -> None:
    root = tmp_path / "root"
    configure(root, "good")
    configure(root, "bad", user="nobody-of-this-name")
    (root / "var/lib/linod/good").mkdir(parents=True)
    write_rules(root / "var/lib/linod/good/rules.json", RULE, site="good")
    done = generate("--output", str(out))
    assert done.returncode == 2
    assert "the user 'nobody-of-this-name' of the site 'bad' does not exist" in done.stderr
    assert "linod-good-checkdata.timer" in os.listdir(out)


@pytest.mark.skipif(os.geteuid() != 0, reason="root reads the sites' rules")
def test_whatever_a_site_writes_its_neighbour_stays_well(
    generate: Generate, tmp_path: Path, out: Path
) -> None:
    """Hostile rules, all at once, in several files; and files that are no rules.json."""
    root, seed = tmp_path / "root", random.randrange(10**9)  # noqa: S311 - no secret
    print(f"seed {seed}")
    for name in ("bad", "good"):
        configure(root, name)
        (root / "var/lib/linod" / name).mkdir(parents=True)
    good, bad = (root / "var/lib/linod" / name / "rules.json" for name in ("good", "bad"))
    write_rules(bad, site="bad")
    write_rules(good, RULE, site="good")
    assert generate("--output", str(out)).returncode == 0
    odd: list[Any] = [None, -1, [[]], "x", {"a": {}}]
    wrong: list[dict[str, Any]] = [
        *({"rules": hostile_rules(60, seed + number)} for number in range(3)),
        *({"rules": [{**RULE, "paused_until": f"{year}-12-31T23:59:59-12:00"}]} for year in ("9999", "2500")),
        {"rules": [{**RULE, "every_unit": "hourly", "every": 10**9}]},
        *({"timezone": zone} for zone in ("x\ny", "../../etc/passwd", 7, "A" * 10**6)),
        *({key: value} for key in ("version", "site", "rules") for value in odd),
    ]
    for number, values in enumerate(wrong):
        bad.write_text(json.dumps({"version": 1, "site": "bad", "timezone": "UTC", "rules": [], **values}))
        write_rules(good, {**RULE, "timeout": 100 + number}, site="good")
        done = generate("--output", str(out))
        assert "Traceback" not in done.stderr, values
        service = (out / "linod-good-checkdata.service").read_text()
        assert f"TimeoutStartSec={100 + number}s" in service, (values, done.stderr)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        ("mkfifo {}", "is no plain file"),
        ("truncate -s 1T {}", "is larger than"),
        ("mkdir {}", "no plain file"),
    ],
)
def test_named_file_that_is_none_holds_nobody_up(
    generate: Generate, rules: Path, out: Path, make: str, said: str
) -> None:
    subprocess.run(make.format(rules).split(), check=True)
    done = generate("--rules", str(rules), "--output", str(out))
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"python": "bin/python"}, "give an absolute path"),
        ({"user": ""}, "give a non-empty text"),
        ({"writable": "/srv/media"}, "give a list of folders"),
    ],
)
def test_wrong_site_file_is_named(
    generate: Generate, tmp_path: Path, out: Path, values: dict[str, str], said: str
) -> None:
    configure(tmp_path / "root", "shop", **values)
    done = generate("--output", str(out))
    assert done.returncode == 2
    assert "shop.toml" in done.stderr and said in done.stderr
    assert not out.exists()


def test_site_that_is_not_configured(generate: Generate, out: Path) -> None:
    done = generate("--site", "shop", "--output", str(out))
    assert done.returncode == 1
    assert "site 'shop' is not configured: write" in done.stderr
    done = generate("--site", "../shop", "--output", str(out))
    assert "'../shop' is no name of a site" in done.stderr
