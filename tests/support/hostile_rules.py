"""Rules as someone would write them who has broken into a site, by hypothesis; JSON-able, one dict each."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

HARMLESS: dict[str, Any] = {"start_date": "2026-01-31", "start_time": "04:00:00", "cancelled": True}
NASTY = (
    *("\n", "\r\n", "\nUser=root\n", "\n[Service]\nExecStart=/bin/sh\n", "\\\nUser=root", "\x0b", "\x85"),
    *("%n", "%%", "%i%I%h", "%", "$HOME", "${HOME}", "$$", "\\", "\\\\", "\\x0a", "\\n", "\\073", "\\u000a"),
    *('"', "'", "`id`", '"; /bin/sh', "';'", ";", " ; ", "\\;", "]", "[Service]", "=", "#", "# x", "|", "&&"),
    *(
        "\0",
        "\x1b[31m",
        "\x9b31m",
        "\u2028",
        "\u202e",
        "\u200f",
        "\u2066",
        "\ud800",
        "😀",
        "👩‍💻",
        "שלום",
        "日本",
    ),
    *(
        "../../x",
        "/etc/passwd",
        "/",
        "..",
        ".",
        "-",
        "--site",
        "-x",
        "@",
        "@x",
        "supervisor@x",
        "failure-x@y",
    ),
    *(" ", "\t", "  x  ", ".timer", ".service", ".d/x.conf", "{{ site }}", "{% raw %}", "{#", "{}", "é" * 60),
    *(
        "x" * 10_000,
        "%" * 10_000,
        "\n" * 10_000,
        "x" * 199,
        "+",
        "!",
        ":",
        "!!/bin/sh",
        "@/bin/sh",
        "“”",
        "*",
    ),
)
nasty = st.sampled_from(NASTY) | st.text(max_size=12) | st.text("\\\"'%$;\n -=[]@./x", max_size=8)
wrong = st.none() | st.booleans() | st.integers() | st.floats() | nasty | st.lists(nasty, max_size=3)
texts = st.lists(nasty, min_size=1, max_size=3).map("".join)
FIELDS = {
    "procedure": texts,
    "log_level": texts | st.just("DEBUG"),
    "every_unit": texts | st.sampled_from(("secondly", "hourly", "weekly", "monthly", "yearly", "easter")),
    "every": st.integers(-1, 60) | wrong,
    "start_date": texts | st.dates().map(str),
    "start_time": texts | st.times().map(lambda time: str(time)[:8]),
    "end_date": texts | st.dates().map(str),
    "end_time": texts | st.just("05:00"),
    "max_events": st.integers(0, 5) | wrong,
    "positions": texts | st.sampled_from(("1", "1 -1", "1\n-1", "1\t2", "+1 -2")),
    "weekdays": st.lists(texts | st.just("monday"), max_size=2) | wrong,
    "timezone": texts | st.sampled_from(("Europe/Brussels", "../Europe/Brussels", "Europe", "localtime")),
    "jitter": st.integers() | wrong,
    "catch_up": wrong,
    "timeout": st.integers(0, 9000) | wrong,
    "retries": wrong,
    "run_after": st.lists(texts, max_size=3) | wrong,
    "paused_until": texts | st.just("2026-11-24T12:00:00+00:00"),
    "cancelled": wrong,
}
KEYS = ("User", "ExecStart=/bin/sh", "\n[Service]")  # that no rule has
# What may well stand in a name, and means something to systemd, a shell, jinja or a person.
printable = st.sampled_from(
    [text for text in NASTY if text.isprintable() and "/" not in text and len(text) < 60]
)
# With few values, as each combination needs a harmless rule to be compared with.
fitting: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"log_level": "DEBUG", "every_unit": "hourly", "every": 3},
        {"every_unit": "weekly", "weekdays": ["monday"], "timezone": "Europe/Brussels"},
        {"every_unit": "monthly", "positions": "1 -1", "jitter": 5, "catch_up": False},
        {"every_unit": "easter", "timeout": 60, "retries": 2},
        {"run_after": ["%n", 'a;b \\ "x" $HOME', "failure-x@y"]},
    ]
)
unfitting = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda name: FIELDS[name].map(lambda value: {name: value})
)
rules: st.SearchStrategy[Any] = st.one_of(
    st.tuples(printable, st.just("") | printable, fitting),
    st.tuples(printable, st.just(""), texts.map(lambda text: {"procedure": text})),
    st.tuples(printable | st.just("a"), printable | texts, st.just({})),
    st.tuples(texts, st.just("") | texts, fitting),
    st.tuples(st.just("a"), st.just(""), unfitting),
    st.tuples(st.just("a"), st.just(""), st.sampled_from(KEYS).map(lambda key: {key: "x"})),
)


def hostile_rules(count: int, number_of_seed: int) -> list[dict[str, Any]]:
    """So many rules; the same for the same seed. The names are all different, and none is live."""
    found: list[dict[str, Any]] = []

    @seed(number_of_seed)
    @settings(
        max_examples=count + 500,  # where the space of examples were too small, it would stop early
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(rules)
    def collect(drawn: tuple[str, str, dict[str, Any]]) -> None:
        left, right, values = drawn
        rule = {**HARMLESS, **values, "name": f"{left}{len(found)}{right}"}
        if rule["cancelled"] is False:
            rule["cancelled"] = True  # nothing is to be started
        found.append(rule)

    collect()
    return found[:count]
