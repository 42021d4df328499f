"""Nothing in a rule becomes a directive: hostile rules, generated as root, read back from PID 1."""

from __future__ import annotations

import json
import os
import random
import re
import zoneinfo
from itertools import islice
from typing import Any

import pytest

from linod_systemd.common.text import visible_line
from tests.support.hostile_rules import HARMLESS, hostile_rules
from tests.support.machine import SOURCE, Machine

FEW = 300
COUNT = int(os.environ.get("LINOD_HOSTILE_RULES", "10000"))
SEED = int(os.environ.get("LINOD_SEED") or random.randrange(10**9))  # noqa: S311 - no secret
BATCH = 1250
UNITS = "/run/systemd/system"
SITE = (
    'user = "shop"\nsettings = "x"\npython = "/usr/bin/python3"\ndirectory = "/srv"\n'
    "rules_max = 100000\nunit_lines_max = 1000000\n"
)
SAFE = {
    "log_level": re.compile("NOTSET|DEBUG|INFO|WARNING|ERROR|CRITICAL"),
    "every_unit": re.compile(
        "never|once|secondly|minutely|hourly|daily|weekly|per_weekday|monthly|yearly|easter"
    ),
    "positions": re.compile(r"[-+0-9\s]*"),
    "paused_until": re.compile(r"[-+:.TWZ0-9 ]+"),
}
# What says which unit it is, and what the clock changes.
OF_THE_UNIT = re.compile("(Id|Names|Description|FragmentPath|ExecStart|ExecStartEx)=")
# systemctl puts names and paths with a backslash into quotes.
QUOTED = re.compile(r'"([^" ]*linod[-/][^" ]*)"')
OF_THE_CLOCK = re.compile(r"next_elapse=[^;}]*")


Rule = dict[str, Any]


@pytest.fixture(scope="session")
def hostile() -> list[Rule]:
    print(f"LINOD_SEED={SEED}")
    return hostile_rules(COUNT, SEED)


def test_three_hundred_of_them(machine: Machine) -> None:
    print(f"LINOD_SEED={SEED}")
    accepted = Batch(machine, "few", hostile_rules(FEW, SEED)).accepted()
    assert FEW // 4 < len(accepted) < FEW * 3 // 4


@pytest.mark.long
def test_hostile_rules_are_refused_by_name_or_harmless(machine: Machine, hostile: list[Rule]) -> None:
    version = machine.sh("systemctl --version").split()[1]
    count = COUNT if version == "252" else COUNT // 4  # PID 1 takes minutes to load them all
    accepted = 0
    for begin in range(0, count, BATCH):
        batch = hostile[begin : min(count, begin + BATCH)]
        accepted += len(Batch(machine, f"h{begin}", batch).accepted())
    print(f"systemd {version}: of {count} hostile rules {count - accepted} are refused, {accepted} harmless")
    assert count // 4 < accepted < count * 3 // 4


class Batch:
    """Hostile rules of a site, and for each a harmless twin: the same but for its name and procedure.

    The twin has no procedure: one of a control character is refused, whatever else the rule says.
    """

    def __init__(self, machine: Machine, site: str, rules: list[Rule]) -> None:
        self.machine = machine
        self.site = site
        self.rules = rules
        self.twins = {
            _likeness(rule): {**_without_names(rule), "name": f"twin{n}"} for n, rule in enumerate(rules)
        }
        self.said = self._generate()
        self.files = set(machine.sh(f"cd {UNITS} && ls -d linod-{site}-*").split())
        self.stems = self._stems([rule["name"] for rule in (*rules, *self.twins.values())])

    def _generate(self) -> str:
        rules = [*self.rules, *self.twins.values(), {**HARMLESS, "name": "harmless"}]
        document = {"version": 1, "site": self.site, "timezone": "Europe/Brussels", "rules": rules}
        self.machine.write("/tmp/rules.json", json.dumps(document))
        self.machine.write(f"/etc/linod/{self.site}.toml", SITE)
        command = f"linod-generate-units --site {self.site} --rules /tmp/rules.json --output {UNITS}"
        done = self.machine.run(*command.split(), check=False, timeout=600)
        assert done.returncode == 2, done.stderr[-2000:]
        return done.stderr

    def _stems(self, names: list[str]) -> dict[str, str]:
        """The names of the units of those rules that have some, by systemd-escape.

        It makes a dash of a slash and escapes a first dot, so it is given what lies between the slashes.
        """
        possible = [name for name in names if not set(name) & {"\0", "\ud800"}]
        given = "\0".join(f"_{part}" for name in possible for part in name.split("/"))
        said = self.machine.run("xargs", "-0", "-n100", "systemd-escape", "--", input=given).stdout
        parts = (part.removeprefix("_") for part in said.split())
        stems = {
            name: f"linod-{self.site}-" + "\\x2f".join(islice(parts, name.count("/") + 1))
            for name in possible
        }
        return {name: stem for name, stem in stems.items() if f"{stem}.service" in self.files}

    def accepted(self) -> list[Rule]:
        """Those that became units, once all is checked."""
        good = [rule for rule in self.rules if rule["name"] in self.stems]
        refused = len(self.rules) + len(self.twins) - len(self.stems)
        assert self.said.count("linod-generate-units: rule '") + self.said.count('units: rule "') == refused
        for rule in self.rules:
            assert rule in good or _beginning(rule["name"]) in self.said, f"neither refused nor there: {rule}"
        own = {f"{stem}.{kind}" for stem in self.stems.values() for kind in ("service", "timer")}
        assert self.files - own == {f"linod-{self.site}-harmless.{kind}" for kind in ("service", "timer")}
        for rule in good:
            for key, allowed in SAFE.items():
                assert key not in rule or allowed.fullmatch(str(rule[key] or "")), rule
            assert not rule.get("timezone") or rule["timezone"] in zoneinfo.available_timezones()
        self._compare(good)
        self._compare_commands(good)
        self._forget()
        return good

    def _units(self, rule: Rule) -> list[str]:
        stem = self.stems[rule["name"]]
        return [name for name in (f"{stem}.service", f"{stem}.timer") if name in self.files]

    def _compare(self, good: list[Rule]) -> None:
        pairs = [(rule, self.twins[_likeness(rule)]) for rule in good]
        everyone = [*good, *{twin["name"]: twin for _, twin in pairs}.values()]
        units = [unit for rule in everyone for unit in self._units(rule)]
        self._hold(units)
        command = ("xargs", "-0", "-n200", "systemctl", "show", "--all", "--no-pager", "--")
        # systemctl parts units by an empty line; xargs' next call does not.
        shown = self.machine.run(*command, input="\0".join(units), timeout=600).stdout
        blocks = dict(zip(units, re.split(r"\n\n?(?=Type=|Unit=)", shown), strict=True))
        for rule, twin in pairs:
            for unit, like in zip(self._units(rule), self._units(twin), strict=True):
                differing = self._neutral(blocks[unit], rule) ^ self._neutral(blocks[like], twin)
                assert not differing, (rule, differing)
                assert "LoadState=loaded" in blocks[unit].splitlines()
                description = re.findall("^Description=(.*)", blocks[unit], re.MULTILINE)
                assert description == [visible_line(description[0])], rule

    def _hold(self, units: list[str]) -> None:
        """Let PID 1 load them once and for all; it would for each question."""
        lines = "".join(f"After={unit}\n" for unit in units)
        self.machine.write(f"{UNITS}/hold.target", f"[Unit]\n{lines}")
        self.machine.sh("systemctl daemon-reload && systemctl restart hold.target", timeout=600)

    def _forget(self) -> None:
        """Let PID 1 have no more than one batch at a time."""
        self.machine.sh(
            f"systemctl stop hold.target; rm {UNITS}/hold.target; systemctl daemon-reload\n"
            f"find {UNITS} -maxdepth 1 -name 'linod-{self.site}-*' -delete; systemctl daemon-reload",
            timeout=600,
        )

    def _neutral(self, block: str, rule: Rule) -> set[str]:
        """The properties of a unit without what tells whose it is."""
        stem = self.stems[rule["name"]]
        instance = stem.removeprefix(f"linod-{self.site}-")
        block = QUOTED.sub(lambda found: found[1].replace("\\\\", "\\"), block)
        block = block.replace(f"{stem}.", "SELF.").replace(f"@{instance}.service", "@SELF.service")
        block = re.sub(rf"/{re.escape(stem)}(?=[\s:])", "/SELF", block)
        lines = [OF_THE_CLOCK.sub("", line) for line in block.splitlines() if not OF_THE_UNIT.match(line)]
        # The jitter of a rule is computed from its name.
        ignored = ("TimersCalendar",) if rule.get("jitter") else ()
        parts = [line.partition("=") for line in lines if not line.startswith(ignored)]
        return {f"{key}={' '.join(sorted(value.split()))}" for key, _, value in parts}

    def _compare_commands(self, good: list[Rule]) -> None:
        wanted = []
        client = self.machine.sh(
            "ls /opt/linod/lib/python3*/site-packages/linod_systemd/forkserver/ask.py"
        ).strip()
        socket = f"/run/linod/{self.site}/shared/supervisor.socket"
        for rule in good:
            stem = self.stems[rule["name"]]
            cold = [
                "/usr/bin/python3",
                "-m",
                "linod_systemd.run",
                "--site",
                self.site,
                "--here",
                "--",
                rule["name"],
            ]
            job = ["/usr/bin/python3", "-I", "-S", client, socket, rule["name"], *cold]
            end = [
                "/usr/bin/python3",
                "-m",
                "linod_systemd.cli",
                "--site",
                self.site,
                "record-end",
                "--",
            ]
            wanted.append((f"{stem}.service", job))
            for what in ("failure", "ended"):
                recorder = stem.replace(f"linod-{self.site}-", f"linod-{what}-{self.site}@", 1)
                wanted.append((f"{recorder}.service", [*end, rule["name"]]))
        script = f"{SOURCE}/tests/support/exec_start.py"
        units = json.dumps([unit for unit, _ in wanted])
        read = json.loads(self.machine.run("python3", script, input=units).stdout)
        for (unit, command), found in zip(wanted, read, strict=True):
            assert found == [command], unit


def _beginning(name: str) -> str:
    """How the name of a refused rule begins in a message, up to what another Python may escape otherwise."""
    found = re.match(r"[ -~]*?(?=\\[uU]|[^ -~]|$)", repr(name)[:60])
    assert found is not None
    return f"rule {found[0]}"


def _without_names(rule: Rule) -> Rule:
    return {key: value for key, value in rule.items() if key not in ("name", "procedure")}


def _likeness(rule: Rule) -> str:
    return json.dumps(_without_names(rule))
