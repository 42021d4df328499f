import time
from typing import Any

from lino.api import rt
from lino.modlib.linod.choicelists import background_task, schedule_often

from linod_systemd.api import dd


@background_task(every_unit="never")
def tells(ar: Any) -> None:
    user = ar.get_user()
    ar.info("%s as %s, rule %s", type(ar).__name__, user.username, ar.rule.name)
    with ar.capture_logger() as captured:
        ar.info("into the capture")
    ar.info("captured: %s", captured.getvalue().strip())


@background_task(every_unit="never")
def raises(ar: Any) -> None:
    ar.info("about to fail")
    raise ValueError("<b>as</b> planned")


@background_task(every_unit="never")
def warns(ar: Any) -> None:
    raise Warning("nothing to do")


@background_task(every_unit="weekly", every=1, saturday=True, start_time="04:00", run_after="tells")
def on_saturdays(ar: Any) -> None:
    pass


@schedule_often(every=2)
def ticks(ar: Any) -> None:
    pass


@background_task(every_unit="never")
def sleeps(ar: Any) -> None:
    time.sleep(20)


@schedule_often(every=10)
def notes_time(ar: Any) -> None:
    with open(rt.settings.SITE.site_dir / "log" / "times", "a", encoding="ascii") as file:
        file.write(f"{time.time()}\n")


@dd.schedule_daily()
def by_old_words(ar: Any) -> None:
    ar.info("by %s", type(ar).__name__)
