"""The demo site after a busy week: runs that ended in all ways, a pause, a cancelled rule, a running job."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import takewhile

from linod_systemd import clock
from linod_systemd.models import Job, JobRule
from linod_systemd.store import rule_store
from linod_systemd.store.choices import CancelledBy, Status
from linod_systemd.tasks import Tasks

# Seconds that each usually takes.
USUAL = {"checkdata": 400, "checksummaries": 60, "clear_seen_messages": 2, "event_notification_scheduler": 90}
ENDS = (Status.SUCCESS, Status.FAILED, Status.SKIPPED, Status.KILLED)
OFTEN = (92, 4, 3, 1)
REASONS = {
    Status.FAILED: "ConnectionError: the shop does not answer",
    Status.SKIPPED: "its timer rang 400 s late",
    Status.KILLED: "terminated by SIGTERM",
}


def fill(seed: int = 7) -> None:
    """Make the rules, and their history."""
    Tasks().setup()
    now = clock.utc_now()
    chance = random.Random(seed)  # noqa: S311
    for rule in JobRule.objects.all():
        often = {"secondly": timedelta(hours=1)}.get(rule.every_unit, timedelta(days=8))
        begin = now - often
        JobRule.objects.filter(pk=rule.pk).update(
            start_date=begin.date(), live_since=clock.to_database(begin)
        )
        recurrence = JobRule.objects.get(pk=rule.pk).stored().recurrence()
        due = takewhile(lambda at: at < now, recurrence.occurrences(begin))
        Job.objects.bulk_create(_job(rule, at, chance) for at in due)
    summaries = JobRule.objects.get(name="checksummaries")
    Job.objects.create(
        rule=summaries,
        rule_name=summaries.name,
        start_datetime=clock.to_database(now - timedelta(minutes=3)),
        status=Status.RUNNING,
        host="vm",
        message="INFO 120 summaries are to be checked",
        invocation_id="5" * 32,
        progress_done=40,
        progress_total=120,
        progress_text="summaries",
    )
    rule_store.current().pause("clear_seen_messages", now + timedelta(hours=5), "new disks", "anna")
    rule_store.current().cancel(
        "send_pending_emails_daily", CancelledBy.PERSON, "until the new server is there"
    )


def _job(rule: JobRule, due: datetime, chance: random.Random) -> Job:
    status = chance.choices(ENDS, OFTEN)[0]
    took = 0.0 if status == Status.SKIPPED else USUAL.get(rule.name, 0.6) * chance.lognormvariate(0, 0.4)
    return Job(
        rule=rule,
        rule_name=rule.name,
        start_datetime=clock.to_database(due),
        end_datetime=clock.to_database(due + timedelta(seconds=took)),
        status=status,
        reason=REASONS.get(status, ""),
        trigger="timer",
        scheduled_for=clock.to_slot(due),
        host="vm",
        message="INFO 120 rows were looked at\nINFO none is wrong",
        cpu_seconds=took / 3,
        memory_peak=80_000_000,
    )
