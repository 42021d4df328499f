"""Whether a rule is running already, and since when, by what, where: for who wants to start it, too."""

from __future__ import annotations

from linod_systemd import claim, clock, conf, host, store
from linod_systemd.errors import AlreadyRunning


def remedy() -> str:
    """What to do where a rule is running already."""
    return f"wait for its end: {conf.command(conf.this_site().name, 'jobs', '--status', 'running')}"


def error_for(rule: str) -> AlreadyRunning:
    """What to say to who comes second."""
    job = store.current().jobs(rule).running().first()
    if job is None:  # it has begun in this moment, or its database is away
        return AlreadyRunning(f"the rule {rule!r} is already running", remedy())
    since = clock.from_database(job.start_datetime).isoformat(" ", "seconds")
    unit = "" if job.invocation_id else ", outside its unit"
    return AlreadyRunning(
        f"the rule {rule!r} is already running since {since}"
        f" (job #{job.pk}, trigger {job.trigger}{unit}, on {job.host})",
        remedy(),
    )


def check(site: conf.Site, rule: str) -> None:
    """:raises AlreadyRunning: where a run of the rule has not ended, on this host or another."""
    elsewhere = store.current().jobs(rule).running().exclude(host=host.host_name())
    if claim.is_claimed(site, rule) or elsewhere.exists():
        raise error_for(rule)
