"""README and docs/ name every command, option, setting and key; each command parses, each link leads on."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from linod_systemd import app_settings, run
from linod_systemd.cli import manpages
from linod_systemd.cli.parser import parser
from linod_systemd.demo import settings as demo_settings
from linod_systemd.sites import config
from linod_systemd.units import generate
from tests.support.machine import CHECKOUT

PAGES = [CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
PAGES += sorted((CHECKOUT / "docs").glob("*.md"))
PROMISED = (
    *("django", "lino", "server", "admin", "commands", "recurrence", "troubleshooting", "how-it-works"),
    *("reliability", "security", "systemd-facts"),
)
PARSERS = {"linod": parser("linod"), "linod-run": run.parser(), "linod-generate-units": generate.parser()}
WRAPPERS = ("sudo", "exec")
STANDS_FOR = {"N": "3", "TIME": "2027-01-01", "JOB": "1"}
ROOMS = sorted(path.parent.name for path in (CHECKOUT / "linod_systemd").glob("*/__init__.py"))
PLACES = ["linod_systemd", "units", "tests", "unit", "integration", "system", "docs", *ROOMS]
PATHS = rf"(?<![\w/.@-])((?:{'|'.join(PLACES)})/[\w./@-]*\w)"


def text_of(page: str) -> str:
    return (CHECKOUT / page).read_text(encoding="utf-8")


def section(page: str, title: str) -> str:
    """From a heading to the next one of its level."""
    level = title.partition(" ")[0]
    found = re.search(rf"(?ms)^{re.escape(title)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", text_of(page))
    assert found is not None, title
    return found[1]


def rows(text: str) -> dict[str, str]:
    """What stands in backquotes in the first column of its tables → the row."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            for name in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
                found[name] = line
    return found


def subcommands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in PARSERS["linod"]._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def typed_lines(page: Path) -> Iterator[str]:
    """The commands in the fenced blocks of a page, and in backquotes; what stands behind a prompt, too."""
    text = page.read_text(encoding="utf-8")
    for kind, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        if kind == "":
            prompts = "\n$ " in f"\n{block}"  # a session: only what stands behind the prompt was typed
            for line in block.replace("\\\n", " ").splitlines():
                if not prompts or line.startswith("$ "):
                    yield line.removeprefix("$ ")
    outside = re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(one.split()) for one in re.findall(r"`([^`]+)`", outside))


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command of ours that somebody is told to type, without wrappers and comments."""
    for line in typed_lines(page):
        for part in re.split(r"&&|\|\||[|;]| > ", line):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:  # no command
                continue
            while words and words[0] in WRAPPERS:
                words = words[3:] if words[1:2] == ["-u"] else words[1:]
            if words and words[0] in PARSERS and not set("…[(/") & set(part):
                yield words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_parses(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in commands(page):
        if words[1:] in ([], ["--help"]):
            continue
        given = [STANDS_FOR.get(word, word) for word in words[1:]]
        try:
            PARSERS[words[0]].parse_args(given)
        except SystemExit as error:
            said = capsys.readouterr().err
            assert error.code == 0 or "required" in said, f"{page.name}: {shlex.join(words)}: {said}"


def test_the_check_of_commands_finds_some_and_what_is_wrong(tmp_path: Path) -> None:
    assert len([words for page in PAGES for words in commands(page)]) > 60
    page = tmp_path / "page.md"
    page.write_text("```\nsudo linod frobnicate  # it does\n```\nand `linod-run --fast x`\n")
    assert list(commands(page)) == [["linod", "frobnicate"], ["linod-run", "--fast", "x"]]
    for words in commands(page):
        with pytest.raises(SystemExit):
            PARSERS[words[0]].parse_args(words[1:])


def test_each_reader_has_a_page_and_the_readme_is_short() -> None:
    assert {page.stem for page in (CHECKOUT / "docs").glob("*.md")} == set(PROMISED)
    assert len(text_of("README.md").splitlines()) <= 150
    assert all(f"(docs/{name}.md)" in text_of("README.md") for name in PROMISED)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor in slugs, f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_file_and_test_that_is_named_exists(page: Path) -> None:
    named = re.findall(PATHS, page.read_text(encoding="utf-8"))
    for path in named:
        places = (CHECKOUT / path, CHECKOUT / "tests" / path, CHECKOUT / "linod_systemd" / path)
        found = any(place.exists() or place.with_suffix(".py").exists() for place in places)
        assert found, f"{page.name} names {path}"


def test_each_fact_of_systemd_that_the_code_cites_is_on_its_page() -> None:
    known = set(re.findall(r"^(\d+)\. ", text_of("docs/systemd-facts.md"), re.MULTILINE))
    cited = {
        number
        for path in (CHECKOUT / "linod_systemd").rglob("*.py")
        for numbers in re.findall(r"systemd-facts\.md, ([\d and,]+)", path.read_text(encoding="utf-8"))
        for number in re.findall(r"\d+", numbers)
    }
    assert len(cited) > 5 and cited <= known, cited - known


def test_every_command_and_option_is_in_the_table() -> None:
    notes = text_of("docs/commands.md")
    table = rows(notes)
    for name, command in subcommands():
        row = next((text for key, text in table.items() if re.search(rf"linod {name}\b", key)), None)
        assert row is not None, f"linod {name} is not in the table"
        for action in command._actions:
            option = action.option_strings[-1] if action.option_strings else None
            if option in (None, "--help"):
                continue
            if option == "--json":  # said once, for all that take it
                taking = re.search(r"([^.\n]*) take `--json`", notes)
                assert taking is not None and f"`{name}`" in taking[1], f"linod {name} --json"
                continue
            assert any(one in row for one in action.option_strings), f"linod {name} {option}"


def test_options_of_the_two_others() -> None:
    table = section("docs/commands.md", "## The two that systemd and administrators use")
    for action in (*generate.parser()._actions, *run.parser()._actions):
        if action.option_strings and "--help" not in action.option_strings:
            assert action.option_strings[0] in table, action.option_strings


def test_manual_pages_say_what_the_parsers_say() -> None:
    for command in manpages.PARSERS:
        title = command.upper().replace("-", "\\-")
        assert manpages.page(command).startswith(f'.TH {title} "8"')
    assert "install\\-site" in manpages.page("linod") and "\\-\\-elapsed" in manpages.page("linod-run")


def test_every_setting_is_in_the_table_and_none_else() -> None:
    table = rows(section("docs/django.md", "## Settings"))
    settings = {name for name in table if name.isupper() and "LINOD_" in name} - {"LINOD_SITE", "LINOD_ROOT"}
    demo = {name for name in vars(demo_settings) if name.startswith("LINOD_")}
    assert settings == set(app_settings.DEFAULTS) | demo
    for name, value in app_settings.DEFAULTS.items():
        assert f"| {value} |" in table[name], name
    assert "ADMINS" in table


def test_every_key_of_site_toml_is_described() -> None:
    described = section("docs/django.md", "## SITE.toml")
    keys = set(re.findall(r"^([a-z_]+) = ", described, re.MULTILINE))
    assert keys == {*config.REQUIRED_KEYS, *config.OPTIONAL_KEYS}
