"""Explain the form of a rule before it is saved: one sentence, the next times, or the error."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Any

from django import forms

from linod_systemd import clock
from linod_systemd.recurrence import english
from linod_systemd.recurrence.recurrence_set import RecurrenceError, RecurrenceSet
from linod_systemd.recurrence.remarks import peculiarities
from linod_systemd.rules.explain import explain
from linod_systemd.store import rule_store

TIMES = 5
OF_ITSELF = "__all__"


def context(form: forms.BaseModelForm[Any]) -> dict[str, Any]:
    """Return the template's values: ``errors``, or the ``sentence`` and the ``times``, each with its remarks.

    :param form: bound to what stands in the page; nothing of it is saved.
    """
    if not form.is_valid():
        return {
            "errors": [(_label(form, name), said) for name, found in form.errors.items() for said in found]
        }
    stored = form.instance.stored()
    now = clock.utc_now()
    try:
        recurrence = stored.recurrence()
    except RecurrenceError as error:
        return {"errors": [("", str(error))]}
    last_start = rule_store.current().jobs(stored.name).last_start() if form.instance.pk else None
    times = islice(recurrence.due_after(now, last_start), TIMES)
    return {
        "sentence": explain(stored.rule, recurrence, now),
        "times": [(_local(recurrence, at), ", ".join(peculiarities(recurrence, at))) for at in times],
    }


def _label(form: forms.BaseModelForm[Any], name: str) -> str:
    return "" if name == OF_ITSELF else str(form.fields[name].label or name) if name in form.fields else name


def _local(recurrence: RecurrenceSet, instant: datetime) -> str:
    local = instant.astimezone(recurrence.zone)
    return f"{english.short_date(local)} {local:%Y, %H:%M:%S %Z}"
