"""Questions about rules that several commands ask."""

from __future__ import annotations

from linod_systemd.models import JobRule
from linod_systemd.nearest import no_such_rule


def find_rule(name: str) -> JobRule:
    """The rule of this name.

    :raises NoSuchRule: with the nearest names.
    """
    rule: JobRule | None = JobRule.objects.filter(name=name).first()
    if rule is None:
        raise no_such_rule(name, list(JobRule.objects.values_list("name", flat=True)))
    return rule
