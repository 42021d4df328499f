"""The pages of Lino: rules and jobs.

The namespace ``linod`` is the module of Lino's own plugin, so they stand beside it, in ``linod_systemd``.
"""

from __future__ import annotations

from typing import Any

from lino.api import _, dd
from lino.core.roles import SiteStaff

from linod_systemd import clock
from linod_systemd.jobs import health
from linod_systemd.jobs.health import Health
from linod_systemd.lino import mirror
from linod_systemd.models import Job, JobRule
from linod_systemd.recurrence.recurrence_set import RecurrenceError
from linod_systemd.store import rule_store, spans
from linod_systemd.store.next_due import local, next_run
from linod_systemd.tasks import Tasks


class SetupTasks(dd.Action):
    """Make the rules of new tasks, drop those whose procedure is gone."""

    label = _("Set up tasks")
    select_rows = False
    required_roles = dd.login_required(SiteStaff)

    def run_from_ui(self, ar: Any, **kwargs: Any) -> None:
        ar.success(str(Tasks().setup()), refresh=True)


class RunJob(dd.Action):
    """Ask systemd to run the rule now."""

    label = _("Run job")
    select_rows = True
    required_roles = dd.login_required(SiteStaff)

    def run_from_ui(self, ar: Any, **kwargs: Any) -> None:
        for rule in ar.selected_rows:
            rule_store.current().request_run(rule.name)
        ar.success(_("Asked for."), refresh=True)


class JobRules(dd.Table):
    """The rules that systemd is told of, one for each task. People edit the task."""

    app_label = "linod_systemd"
    label = _("Job rules")
    model = JobRule
    required_roles = dd.login_required(SiteStaff)
    editable = False
    allow_create = False
    allow_delete = False
    column_names = "id name procedure meaning state next_run_text mirrors"
    detail_layout = """
    id name procedure mirrors
    meaning state next_run_text
    every every_unit start_date start_time cancelled cancelled_by
    JobsByRule
    """
    setup_tasks = SetupTasks()
    run_job = RunJob()

    @dd.displayfield(_("What it does"))
    def meaning(cls, rule: JobRule, ar: Any) -> str:
        return _health(rule).meaning

    @dd.displayfield(_("State"))
    def state(cls, rule: JobRule, ar: Any) -> str:
        return _health(rule).state

    @dd.displayfield(_("Next run"))
    def next_run_text(cls, rule: JobRule, ar: Any) -> str:
        """When systemd starts it next, on the wall clock of the site."""
        try:
            due = next_run(rule.stored())
        except RecurrenceError as error:
            return str(error)
        return local(due) if due else ""


def _health(rule: JobRule) -> Health:
    return health.of([rule.stored()], clock.utc_now())[0]


class Jobs(dd.Table):
    """The history of jobs."""

    app_label = "linod_systemd"
    label = _("Jobs")
    model = Job
    required_roles = dd.login_required(SiteStaff)
    editable = False
    allow_create = False
    order_by = ["-start_datetime", "-id"]
    column_names = "id rule_name start_datetime took status how_far reason trigger"
    detail_layout = """
    id rule rule_name status exit_code trigger attempt
    start_datetime end_datetime took scheduled_for host
    how_far reason
    message
    """

    @dd.displayfield(_("Took"))
    def took(cls, job: Job, ar: Any) -> str:
        return spans.duration(job.seconds)

    @dd.displayfield(_("How far"))
    def how_far(cls, job: Job, ar: Any) -> str:
        """What it said by ar.progress()."""
        return job.progress


class JobsByRule(Jobs):
    app_label = "linod_systemd"  # Lino inherits no label
    master_key = "rule"
    column_names = "start_datetime took status how_far reason trigger"


class JobsByTask(Jobs):
    """The jobs of a task, below it on Lino's own pages."""

    app_label = "linod_systemd"
    label = _("Jobs")
    master = dd.Model
    column_names = "start_datetime took status how_far reason trigger"

    @classmethod
    def get_filter_kw(cls, ar: Any, **kwargs: Any) -> dict[str, Any]:
        return {"rule__mirrors": mirror.key(ar.master_instance)}
