"""Draw the last runs of a rule as small bars: as high as each took long, in the colour of its end."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from linod_systemd.jobs import pace
from linod_systemd.pages import words
from linod_systemd.store.job import Job

HEIGHT, WIDTH, GAP = 22, 5, 1  # pixels
LOWEST = 3
BAR = '<a href="{}"><rect class="{}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect></a>'


def drawn(jobs: Sequence[Job]) -> SafeString:
    """:param jobs: latest first, as the history has them; they are drawn from left to right."""
    if not jobs:
        return mark_safe("–")  # noqa: S308
    longest = max(job.seconds or 0 for job in jobs) or 1
    bars = []
    for place, job in enumerate(reversed(jobs)):
        height = LOWEST + round((HEIGHT - LOWEST) * (job.seconds or 0) / longest)
        corner = place * (WIDTH + GAP), HEIGHT - height
        kind, said = f"linod-{words.kind(job)}", words.in_words(job)
        bars.append((words.job_page(job.pk), kind, *corner, WIDTH, height, said))
    return format_html(
        '<svg class="linod-bars" role="group" aria-label="The last {} runs" width="{}" height="{}">{}</svg>',
        len(jobs),
        pace.LOOKED_AT * (WIDTH + GAP),
        HEIGHT,
        format_html_join("", BAR, bars),
    )
