"""The README's tables name every command, option, setting and key, and none that is not there."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from linod_systemd import app_settings, run
from linod_systemd.cli import manpages
from linod_systemd.cli.parser import parser
from linod_systemd.demo import settings as demo_settings
from linod_systemd.sites import config
from linod_systemd.units import generate
from tests.machine import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
DJANGOS = {"ADMINS"}


def section(title: str) -> str:
    """From a heading to the next one of its level."""
    level = title.partition(" ")[0]
    found = re.search(rf"(?ms)^{re.escape(title)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", README)
    assert found is not None, title
    return found[1]


def rows(text: str) -> dict[str, str]:
    """What stands in backquotes in the first column of its tables → the row."""
    found = {}
    for line in text.splitlines():
        if line.startswith("| `") or line.startswith("| `sudo"):
            for name in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
                found[name] = line
    return found


def subcommands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser("linod")._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def test_every_command_and_option_is_in_the_table() -> None:
    table = rows(section("## For the administrator"))
    notes = section("## For the administrator")
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


def test_every_command_of_the_table_exists() -> None:
    known = dict(subcommands())
    named = set(re.findall(r"(?:^|`|sudo |&& )linod (?:--site \w+ )?([a-z][a-z-]+)", README, re.MULTILINE))
    assert named <= known.keys(), named - known.keys()


def test_options_of_the_two_others() -> None:
    table = section("## For the administrator")
    for action in generate.parser()._actions:
        if "--help" not in action.option_strings:
            assert action.option_strings[0] in table, action.option_strings
    for option in re.findall(r"--[a-z]+", run.parser().format_help()):
        assert option == "--help" or option in table, option


def test_manual_pages_say_what_the_parsers_say() -> None:
    for command in manpages.PARSERS:
        title = command.upper().replace("-", "\\-")
        assert manpages.page(command).startswith(f'.TH {title} "8"')
    assert "install\\-site" in manpages.page("linod") and "\\-\\-elapsed" in manpages.page("linod-run")


def test_every_setting_is_in_the_table_and_none_else() -> None:
    table = rows(section("## Settings"))
    settings = {name for name in table if name.isupper() and "LINOD_" in name} - {"LINOD_SITE", "LINOD_ROOT"}
    demo = {name for name in vars(demo_settings) if name.startswith("LINOD_")}
    assert settings == set(app_settings.DEFAULTS) | demo
    for name, value in app_settings.DEFAULTS.items():
        assert f"| {value} |" in table[name], name
    assert table.keys() >= DJANGOS


def test_every_key_of_site_toml_is_described() -> None:
    described = section("### A site of your own")
    keys = set(re.findall(r"^([a-z_]+) = ", described, re.MULTILINE))
    assert keys == {*config.REQUIRED_KEYS, *config.OPTIONAL_KEYS}
