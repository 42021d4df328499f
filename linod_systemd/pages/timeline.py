"""Show the runs of rules over time: those of the past with their length and end, and those to come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from linod_systemd import clock
from linod_systemd.pages import timeline_drawing as drawing
from linod_systemd.pages import words
from linod_systemd.pages.timeline_drawing import Run, Shape, Window
from linod_systemd.recurrence.dates import LAST_ELAPSE_YEAR
from linod_systemd.recurrence.recurrence_set import RecurrenceError, RecurrenceSet
from linod_systemd.store import pause, rule_store, spans
from linod_systemd.store.job import Job
from linod_systemd.store.pause import Pause
from linod_systemd.store.rule_store import StoredRule

SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
PAST_SHARE = 0.75  # of the window, where nothing else is asked for
MOST_RUNS = 20_000  # that are read
FIRST_YEAR = 1970
MOST_COMING = 40  # of a rule, before they are drawn as one band
LINK = '<a href="{}"><path class="{}" d="{}"><title>{}</title></path></a>'
FIELDS = ("pk", "rule_name", "start_datetime", "end_datetime", "status", "reason")


@dataclass(frozen=True)
class Row:
    """A rule in the picture. ``svg`` is what its row shows, and nothing of it is left to be escaped."""

    name: str
    address: str
    svg: SafeString


def context(request: HttpRequest, rules: Sequence[StoredRule]) -> dict[str, Any]:
    """Return the template's values for these rules, by the query of the request: ``span`` and ``begin``."""
    now = clock.utc_now()
    span = request.GET.get("span", "")
    length = SPANS.get(span, SPANS["day"])
    span = span if span in SPANS else "day"
    begin = _instant(request.GET.get("begin", "")) or now - length * PAST_SHARE
    window = Window(begin, begin + length)
    names = [rule.name for rule in rules]
    runs, is_cut = _runs(names, window, now)
    pauses = rule_store.current().pauses(window.begin, window.end)
    left_out = {(name, run.begin) for name, found in runs.items() for run in found if run.kind == "skipped"}
    coming = _coming(rules, window, now, pauses, left_out)
    drawn = drawing.shapes(runs, window)
    starts = {name: _starts(runs.get(name, []), coming.get(name)) for name in names}
    return {
        "rows": [
            Row(
                rule.name,
                reverse("admin:linod_systemd_jobrule_change", args=[rule.row.pk]),
                _svg(rule, drawn.get(rule.name, []), coming.get(rule.name), pauses, window),
            )
            for rule in rules
        ],
        "ticks": [(f"{x / 10:.4g}", said) for x, said in drawing.ticks(window, _zone())],
        "crowds": [
            (f"{window.x(minute) / 10:.4g}", f"{number} rules start at {words.local_time(minute)}")
            for minute, number in drawing.crowds(starts)
            if window.begin <= minute < window.end
        ],
        "now": f"{window.x(now) / 10:.4g}" if window.begin <= now < window.end else "",
        "span": span,
        "spans": list(SPANS),
        "begin": window.begin,
        "end": window.end,
        "earlier": _address(span, window.begin - length / 2),
        "later": _address(span, window.begin + length / 2),
        "is_cut": is_cut,
        "most": MOST_RUNS,
        "is_thinned": any(len(shape.runs) > 1 for shapes in drawn.values() for shape in shapes),
    }


def _zone() -> Any:
    return timezone.get_default_timezone()


def _address(span: str, begin: datetime) -> str:
    return urlencode({"span": span, "begin": begin.isoformat(timespec="seconds")})


def _instant(text: str) -> datetime | None:
    """An instant of a query (UTC); None for what is none, or lies where nothing runs."""
    try:
        found = datetime.fromisoformat(text)
        found = (found if found.tzinfo else found.replace(tzinfo=_zone())).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if FIRST_YEAR <= found.year < LAST_ELAPSE_YEAR else None


def _runs(names: Sequence[str], window: Window, now: datetime) -> tuple[dict[str, list[Run]], bool]:
    """The runs within the window, in their order; and whether there were more than are read."""
    jobs = rule_store.current().jobs()
    if len(names) == 1:
        jobs = jobs.filter(rule_name=names[0])
    reach = clock.to_database(window.begin - SPANS["day"])  # a run that began before may go on
    inside = jobs.filter(start_datetime__gte=reach, start_datetime__lt=clock.to_database(window.end))
    found: dict[str, list[Run]] = defaultdict(list)
    rows = list(inside.order_by("-start_datetime", "-pk").values_list(*FIELDS)[: MOST_RUNS + 1])
    wanted = set(names)
    for pk, name, start, end, status, reason in reversed(rows[:MOST_RUNS]):
        begin, ended = clock.from_database(start), clock.from_database(end) if end else now
        if name in wanted and ended >= window.begin:
            kind = words.kind(Job(status=status, reason=reason))
            found[name].append(Run(pk, begin, max(begin, ended), kind))
    return found, len(rows) > MOST_RUNS


@dataclass(frozen=True)
class Coming:
    """The next runs of a rule; ``band``: the time in which there are too many for each to be drawn."""

    instants: list[datetime]
    band: tuple[datetime, datetime] | None = None


def _starts(runs: Sequence[Run], coming: Coming | None) -> list[datetime]:
    ran = [run.begin for run in runs if run.kind != "skipped"]
    return ran if coming is None else ran + coming.instants


def _coming(
    rules: Sequence[StoredRule],
    window: Window,
    now: datetime,
    pauses: Sequence[Pause],
    left_out: Container[tuple[str, datetime]],
) -> dict[str, Coming]:
    """The next runs of live rules, by their names; without those that a person skips."""
    if window.end <= now:
        return {}
    live = [rule for rule in rules if not rule.rule.cancelled and rule.rule.every_unit != "never"]
    last = rule_store.current().jobs().started().first_of_each([rule.name for rule in live])
    found = {}
    for rule in live:
        try:
            recurrence = rule.recurrence()
        except RecurrenceError:
            continue  # the list of rules says so
        held = pause.end_of(rule.name, [one for one in pauses if clock.from_database(one.until) > now])
        since = max(now, window.begin, held or now)
        job = last.get(rule.name)
        started = None if job is None else clock.from_database(job.start_datetime)
        coming = _next(recurrence, since, started, window)
        wanted = [instant for instant in coming.instants if (rule.name, instant) not in left_out]
        found[rule.name] = replace(coming, instants=wanted)
    return found


def _next(recurrence: RecurrenceSet, since: datetime, last: datetime | None, window: Window) -> Coming:
    instants: list[datetime] = []
    for instant in islice(recurrence.due_after(since, last), MOST_COMING + 1):
        if instant >= window.end:
            return Coming(instants)
        instants.append(instant)
    if len(instants) <= MOST_COMING:
        return Coming(instants)
    return Coming(instants, (instants[0], min(window.end, recurrence.last or window.end)))


def _svg(
    rule: StoredRule, shapes: Sequence[Shape], coming: Coming | None, pauses: Sequence[Pause], window: Window
) -> SafeString:
    parts = [_pause(one, window) for one in pauses if one.holds(rule.name)]
    if coming is not None and coming.band is not None:
        begin, end = (window.x(at) for at in coming.band)
        parts.append(_path("next", drawing.path(begin, end - begin), "so many runs to come that they touch"))
    elif coming is not None and coming.instants:
        places = "".join(drawing.path(x, width) for x, width in drawing.coming(coming.instants, window))
        parts.append(_path("next", places, f"{len(coming.instants)} to come"))
    links = [
        (_target(rule.name, shape), f"linod-{shape.kind}", shape.path, _title(shape)) for shape in shapes
    ]
    return format_html("{}{}", SafeString("".join(parts)), format_html_join("", LINK, links))


def _pause(one: Pause, window: Window) -> SafeString:
    begin, end = (window.x(clock.from_database(at)) for at in (one.since, one.until))
    return format_html(
        '<path class="linod-pause" d="M{} 0h{}v20h-{}z"><title>{}</title></path>',
        f"{begin:.4g}",
        f"{end - begin:.4g}",
        f"{end - begin:.4g}",
        str(one),
    )


def _path(kind: str, place: str, title: str) -> SafeString:
    return format_html('<path class="linod-{}" d="{}"><title>{}</title></path>', kind, place, title)


def _target(rule: str, shape: Shape) -> str:
    """The page of the job, or the list of those that the shape stands for."""
    if len(shape.runs) == 1:
        return words.job_page(shape.runs[0].pk)
    first, last = shape.runs[0].begin, shape.runs[-1].begin
    asked = {
        "rule_name": rule,
        "start_datetime__gte": clock.to_database(first).isoformat(" "),
        "start_datetime__lte": clock.to_database(last).isoformat(" "),
    }
    return f"{reverse('admin:linod_systemd_job_changelist')}?{urlencode(asked)}"


def _title(shape: Shape) -> str:
    first, last = shape.runs[0], shape.runs[-1]
    if len(shape.runs) == 1:
        seconds = (first.end - first.begin).total_seconds()
        took = "" if first.kind in ("running", "skipped") else f", {spans.duration(seconds)}"
        return f"{first.kind}, {_at(first.begin)}{took}"
    bad = sum(run.kind == "bad" for run in shape.runs)
    failed = f", {bad} failed" if bad else ""
    return f"{len(shape.runs)} runs, {_at(first.begin)} to {_at(last.begin)}{failed}"


def _at(instant: datetime) -> str:
    return f"{instant.astimezone(_zone()):%H:%M:%S}"
