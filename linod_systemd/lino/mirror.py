"""Mirror each task of Lino (a row of any Runnable model) in a rule. The task is the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db.models.signals import post_delete, post_save
from lino.core.signals import pre_ui_save
from lino.core.utils import models_by_base
from lino.modlib.linod.choicelists import Procedures
from lino.modlib.linod.mixins import Runnable

from linod_systemd import clock
from linod_systemd.models import DUE_COLUMNS, JobRule
from linod_systemd.procedures import ProcedureError
from linod_systemd.procedures import Procedures as OwnProcedures
from linod_systemd.store import database

# The columns of a task that its rule has as they are: DUE_COLUMNS, but for those that Lino spells otherwise.
OTHERWISE = ("every_unit", "every", "start_date", "timezone", "jitter", "run_after")
SAME = ("seqno", "requested_at", *(name for name in DUE_COLUMNS if name not in OTHERWISE))


def check_names() -> None:
    """:raises ProcedureError: for a function of the site that is registered here and another one at Lino."""
    for procedure in OwnProcedures:
        other = Procedures.get_by_value(procedure.name, None)
        if other is not None:
            place = replace(procedure, func=other.func).place
            raise ProcedureError(
                f"two procedures are named {procedure.name!r}: at {procedure.place}, and at {place} for Lino",
                "rename one of them",
            )


def task_models() -> list[Any]:
    """Return the models whose rows are tasks: SystemTask, and models of other plugins."""
    return list(models_by_base(Runnable))


def watch() -> None:
    """From now on a task that is saved or deleted changes its rule, in the same transaction."""
    for model in task_models():
        post_save.connect(_saved, sender=model, dispatch_uid=f"linod-mirror-{model._meta.label}")
        post_delete.connect(_deleted, sender=model, dispatch_uid=f"linod-unmirror-{model._meta.label}")
        pre_ui_save.connect(_judge, sender=model, dispatch_uid=f"linod-judge-{model._meta.label}")


def _saved(instance: Any, raw: bool = False, **_: Any) -> None:
    if not raw:
        reflect(instance)


def _judge(instance: Any, **_: Any) -> None:
    """Refuse what a person is about to save on Lino's page, where no timer can be made of it.

    :raises ValidationError: which the page shows.
    """
    if procedure_name(instance) is not None:
        _rule_of(instance)[0].clean()


def _deleted(instance: Any, **_: Any) -> None:
    JobRule.objects.filter(mirrors=key(instance)).delete()


def key(task: Any) -> str:
    """Return the key of a task, which JobRule.mirrors has: ``linod.SystemTask:3``."""
    return f"{task._meta.label}:{task.pk}"


def find(rule: JobRule | None) -> Any:
    """The task that a rule mirrors; None where there is none, or it or its plugin is gone."""
    label, _, number = rule.mirrors.partition(":") if rule is not None else ("", "", "")
    model = next((one for one in task_models() if one._meta.label == label), None)
    return None if model is None else model.objects.filter(pk=number).first()


def refresh() -> None:
    """Reflect every task, and drop the rules whose task is gone."""
    with database.atomic():
        tasks = [task for model in task_models() for task in model.objects.order_by("pk")]
        for task in tasks:
            reflect(task)
        gone = JobRule.objects.exclude(mirrors="").exclude(mirrors__in=[key(task) for task in tasks])
        if gone.exists():
            gone.delete()
        _order()


def reflect(task: Any) -> None:
    """Make the rule of a task say what the task says. One whose procedure is gone from the code has none."""
    if procedure_name(task) is None:
        JobRule.objects.filter(mirrors=key(task)).delete()
        return
    rule, differs = _rule_of(task)
    if differs:
        rule.save()


def _rule_of(task: Any) -> tuple[JobRule, bool]:
    """The rule as the task wants it, not saved; and whether that is to be done."""
    rule = JobRule.objects.filter(mirrors=key(task)).first()
    rule = rule or JobRule(mirrors=key(task), name=_free_name(task))
    wanted = _values(task, rule)
    differs = not rule.pk or any(getattr(rule, name) != value for name, value in wanted.items())
    for name, value in wanted.items():
        setattr(rule, name, value)
    return rule, differs


def procedure_name(task: Any) -> str | None:
    """The name of its procedure, if the code has it."""
    known = Procedures.get_by_value(getattr(task.procedure, "value", None) or str(task.procedure or ""), None)
    return None if known is None else str(known.value)


def _values(task: Any, rule: JobRule) -> dict[str, Any]:
    return {
        "procedure": procedure_name(task),
        "cancelled": task.disabled,
        "log_level": str(task.log_level.value if task.log_level else "INFO"),
        "every_unit": str(task.every_unit.name if task.every_unit else "never"),
        "every": task.every if task.every and task.every > 0 else 1,
        "start_date": task.start_date or rule.start_date or clock.today(),
        **{name: getattr(task, name) for name in SAME},
    }


def _free_name(task: Any) -> str:
    """The procedure's name for the first system task of it; with the task's number for all else."""
    name = procedure_name(task) or ""
    if task._meta.label == "linod.SystemTask" and not JobRule.objects.filter(name=name).exists():
        return name
    return f"{name}-{task._meta.label_lower}-{task.pk}"


def _order() -> None:
    """Carry over ``run_after``: a procedure of Lino names one that goes first."""
    named = dict(JobRule.objects.exclude(mirrors="").order_by("-pk").values_list("procedure", "name"))
    for rule in JobRule.objects.exclude(mirrors=""):
        procedure = Procedures.get_by_value(rule.procedure)
        first = named.get(procedure.run_after)
        wanted = [first] if first and first != rule.name else []
        if rule.run_after != wanted:
            JobRule.objects.filter(pk=rule.pk).update(run_after=wanted)
