"""The store of a Lino site: its rules mirror its tasks."""

from __future__ import annotations

import logging
from html import escape
from typing import Any

from asgiref.sync import async_to_sync
from django.db import router, transaction
from lino.api import _, dd, rt
from lino.core.requests import BaseRequest
from lino.modlib.linod.choicelists import Procedures

from linod_systemd.django_store import DjangoStore
from linod_systemd.lino import mirror
from linod_systemd.models import JobRule
from linod_systemd.procedures import Procedure
from linod_systemd.store.choices import Status
from linod_systemd.store.job import Job
from linod_systemd.store.progress import Progress
from linod_systemd.store.request import Stopping
from linod_systemd.store.rule_store import Run, StoredRule


class LinoStore(DjangoStore):
    """Rules mirror tasks; a rule of our own decorators is run with Lino's request, too."""

    note = (
        "The tasks of this site are run by systemd; there is no loop to start here. "
        "See: systemctl list-timers 'linod-*'; journalctl -u 'linod-*'; linod jobs. "
        "What serves web sockets is a command of its own (use_channels): manage.py runworker linod_DIRECTORY"
    )

    def set_up(self) -> None:
        """Lino's own way to make the tasks of new procedures, and their rules."""
        ar = BaseRequest(user=_daemon_user())
        for procedure in Procedures.get_list_items():
            async_to_sync(procedure.install_if_needed)(ar)
        self.refresh()

    def refresh(self) -> None:
        mirror.refresh()

    def cancel(self, name: str, by: str, note: str = "") -> bool:
        return super().cancel(name, by, note) and self._changed(name)

    def enable(self, name: str) -> bool:
        return super().enable(name) and self._changed(name)

    def request_run(self, name: str) -> bool:
        return super().request_run(name) and self._changed(name)

    def withdraw(self, name: str) -> bool:
        return super().withdraw(name) and self._changed(name)

    @staticmethod
    def _changed(name: str) -> bool:
        rule = JobRule.objects.get(name=name)
        _update(rule, disabled=rule.cancelled, requested_at=rule.requested_at)
        return True

    def procedure(self, rule: StoredRule) -> Procedure | None:
        if not rule.is_mirror:
            return super().procedure(rule)
        task = mirror.find(rule.row)
        if task is None or mirror.procedure_name(task) is None:
            return None
        return Procedure(rule.rule.procedure, task.run_task, rule.rule.every_unit, rule.rule.every)

    def request_for(self, rule: StoredRule, job: Job, logger: logging.Logger) -> Any:
        ar = BaseRequest(user=_daemon_user(), logger=logger)
        ar.rule, ar.job, ar.stopping, ar.progress = rule.row or rule.rule, job, Stopping(), Progress(job)
        return ar

    def claim(self, rule: StoredRule, job: Job) -> Run:
        run = super().claim(rule, job)
        said = f"Started at {job.start_datetime} with logging level {rule.rule.log_level}"
        values = {"last_start_time": job.start_datetime, "last_end_time": None, "requested_at": None}
        _update(job.rule, message=said, **values)
        return run

    def finish(self, job: Job, **ending: Any) -> bool:
        if not super().finish(job, **ending):
            return False
        said = job.message if job.status == Status.SUCCESS else f"{job.message}\n{job.status}: {job.reason}"
        values = {"last_start_time": job.start_datetime, "last_end_time": job.end_datetime}
        _update(job.rule, message=f"<pre>{escape(said.strip())}</pre>", **values)
        if (task := mirror.find(job.rule)) is not None:
            # Robust: what the site's own receivers raise is logged, and keeps no rule from being judged.
            dd.post_ui_save.send_robust(sender=type(task), instance=task)
        return True

    def formatter(self) -> logging.Formatter:
        return logging.Formatter(rt.settings.SITE.logger_format, "%Y%m-%d %H:%M:%S")  # Site.setup_logging()

    def tell_failure(self, job: Job, consequence: str) -> None:
        """The notification of site admins that Lino sends when it disables a task."""
        task = mirror.find(job.rule)
        if task is None or not dd.is_installed("notify"):
            return
        request = task.get_default_table().create_request(parent=BaseRequest(user=_daemon_user()))

        def said(user: Any) -> tuple[str, str]:
            return (
                _("Task {} failed").format(task),
                f"<p>{escape(f'{job.rule_name} {job.status}: {job.reason}; {consequence}')}</p>",
            )

        notify = rt.models.notify
        with transaction.atomic(using=router.db_for_write(notify.Message)):
            notify.Message.emit_notification(
                request, task, notify.MessageTypes.system, said, dd.SiteAdmin.users_for_role()
            )


def _update(rule: JobRule | None, **values: Any) -> None:
    """Write into the row that a rule mirrors; by UPDATE, which does not come back as a change of the task."""
    task = mirror.find(rule)
    if task is not None:
        type(task).objects.filter(pk=task.pk).update(**values)


def _daemon_user() -> Any:
    """The user whom Lino's own daemon would be (the setting ``daemon_user`` of the plugin linod)."""
    model = rt.settings.SITE.user_model
    if model is None:
        return None
    return model.objects.filter(username=rt.settings.SITE.plugins.linod.daemon_user).first()
