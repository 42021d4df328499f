"""Start a process of a site of which nothing is left when it ends: in a transient unit or a pid namespace."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from linod_systemd.common import unit_names
from linod_systemd.errors import LinodError
from linod_systemd.sites import config, environment_file, site_user
from linod_systemd.systemd.dbus import Bus

EXITED = 1  # CLD_EXITED of waitid(2): ExecMainCode of a process that was not killed
ENDED = ("inactive", "failed")
UMASK = 0o027
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Given:
    """The streams of the process: descriptors of ours (no stdin: /dev/null), or the path of a terminal."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None
    terminal: str = ""


@dataclass(frozen=True)
class Order:
    """A command of a site, to be run as its user for so many seconds, with these variables besides."""

    site: config.Site
    command: Sequence[str]
    given: Given
    seconds: float
    environment: Mapping[str, str]

    @property
    def account(self) -> pwd.struct_passwd:
        """:raises RefusedSite: where the site's user does not exist."""
        return site_user.account_of(self.site)

    @property
    def variables(self) -> dict[str, str]:
        """The environment but for the site's environment_file."""
        return site_user.plain_environment(self.site, self.account) | dict(self.environment)


class HeldProcess(ABC):
    """A process that has been started as the site's user."""

    def __init__(self) -> None:
        self._kill_at: float | None = None

    @abstractmethod
    def _ask_whether_ended(self) -> bool: ...

    @abstractmethod
    def _send(self, number: int) -> None: ...

    @abstractmethod
    def kill(self) -> None:
        """End it, and all that it has started."""

    @abstractmethod
    def code(self) -> int:
        """The exit code of the process that has ended; 128 + the signal that killed it."""

    @abstractmethod
    def close(self) -> None:
        """End it where it has not ended, and forget it."""

    def has_ended(self) -> bool:
        """Whether it has; one that was told to stop and does not is killed."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = None
            self.kill()
        return self._ask_whether_ended()

    def stop(self, number: int, patience: float) -> None:
        """Tell it to stop by a signal; asked a second time, or after so many seconds, it is killed."""
        if self._kill_at is not None:
            self.kill()
            return
        self._kill_at = time.monotonic() + patience
        self._send(number)


class InUnit(HeldProcess):
    """In a transient service of PID 1's, ``linod-command@SITE-N.service``, in the slice of the site."""

    def __init__(self, order: Order) -> None:
        """:raises BusError: where systemd does not start it."""
        super().__init__()
        self.unit = unit_names.command(order.site.name, os.getpid(), next(_numbers))
        self._bus = Bus(with_descriptors=True)
        try:
            self._bus.start_transient(self.unit, _properties(order))
        except BaseException:
            self._bus.close()
            raise

    def _ask_whether_ended(self) -> bool:
        return not self._bus.has_job(self.unit) and self._bus.get("Unit", "ActiveState", self.unit) in ENDED

    def _send(self, number: int) -> None:
        with contextlib.suppress(LinodError):  # it has just ended
            self._bus.kill(self.unit, "main", number)

    def kill(self) -> None:
        with contextlib.suppress(LinodError):
            self._bus.kill(self.unit, "all", signal.SIGKILL)
        with contextlib.suppress(LinodError):
            self._bus.stop(self.unit)

    def code(self) -> int:
        code = self._bus.get("Service", "ExecMainCode", self.unit)
        status = int(self._bus.get("Service", "ExecMainStatus", self.unit))
        return status if code == EXITED else 128 + status

    def close(self) -> None:
        try:
            if not self._ask_whether_ended():
                self.kill()
        finally:
            self._bus.close()


def _properties(order: Order) -> list[tuple[str, tuple[str, Any]]]:
    """The properties of the transient service (org.freedesktop.systemd1(5), StartTransientUnit)."""
    site, given = order.site, order.given
    by_systemd = site.environment_file if site.environment_by_root else None
    streams: list[tuple[str, tuple[str, Any]]] = []
    if given.terminal:
        streams = [(f"Standard{name}", ("s", "tty")) for name in ("Input", "Output", "Error")]
        streams.append(("TTYPath", ("s", given.terminal)))
    else:
        for name, handle in (("Input", given.stdin), ("Output", given.stdout), ("Error", given.stderr)):
            if handle is not None:
                streams.append((f"Standard{name}FileDescriptor", ("h", handle)))
    return [
        ("Description", ("s", f"Command of root's for site {site.name}")),
        ("AddRef", ("b", True)),  # or systemd forgets how it ended
        ("CollectMode", ("s", "inactive-or-failed")),
        ("Type", ("s", "exec")),
        ("User", ("s", site.user)),
        ("Slice", ("s", site.slice)),
        ("WorkingDirectory", ("s", "/")),
        ("Environment", ("as", [f"{name}={value}" for name, value in order.variables.items()])),
        *([("EnvironmentFiles", ("a(sb)", [(by_systemd, False)]))] if by_systemd else []),
        ("NoNewPrivileges", ("b", True)),
        ("UMask", ("u", UMASK)),
        ("KillSignal", ("i", int(signal.SIGKILL))),  # of what it leaves behind
        ("RuntimeMaxUSec", ("t", int(order.seconds * 1e6))),
        *streams,
        ("ExecStart", ("a(sasb)", [(order.command[0], list(order.command), False)])),
    ]


class InNamespace(HeldProcess):
    """Where systemd does not run: in a pid namespace, whose processes the kernel ends with its first."""

    def __init__(self, order: Order) -> None:
        """:raises HoldError: where the namespace cannot be made."""
        super().__init__()
        site, account, given = order.site, order.account, order.given
        if given.terminal:
            raise HoldError(
                f"systemd does not run here, and a command of site {site.name} gets no terminal of root's",
                f"run it as its user: runuser -u {site.user} -- {' '.join(order.command[:3])} …",
            )
        variables = order.variables
        if site.environment_file and site.environment_by_root:
            variables |= environment_file.read(site.environment_file).values
        # The shell stays root's, as the first process of the namespace: the kernel tells no process that has
        # changed its user of its parent's death (PR_SET_PDEATHSIG(2const)).
        held = ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"]
        held += ["sh", "-c", '"$@"; exit $?', "sh"]
        become = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a site's python, as its user, as SITE.toml says
                [*held, *become, "--no-new-privs", "--", *order.command],
                cwd="/",
                env=variables,
                stdin=subprocess.DEVNULL if given.stdin is None else given.stdin,
                stdout=given.stdout,
                stderr=given.stderr,
                start_new_session=True,
                umask=UMASK,
            )
        except OSError as error:
            raise HoldError(
                f"{error.filename} cannot be run ({error.strerror})", "apt install util-linux"
            ) from error

    def _ask_whether_ended(self) -> bool:
        return self._process.poll() is not None

    def _send(self, number: int) -> None:
        self.kill()  # the first process of a pid namespace is deaf to what it does not handle

    def kill(self) -> None:
        self._process.kill()

    def code(self) -> int:
        code = self._process.wait()
        return code if code >= 0 else 128 - code

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class HoldError(LinodError):
    """A process that nothing would hold, and that is not started for it."""
