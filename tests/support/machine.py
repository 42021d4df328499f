"""A throwaway machine with a real systemd, in half a second; the standard library alone.

Everything is mounted in a mount namespace that ends with this process, however it ends: the kernel
unmounts and kills what is left. Root is needed, and systemd-container; not that systemd is PID 1.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCE = "/usr/src/linod-systemd"  # where the checkout lies inside
# In our mount namespace alone: a tmpfs with the layers of all machines. It hides what lies there.
BENCH = next(folder for folder in ("/mnt", "/media") if not CHECKOUT.is_relative_to(folder))
# Each boot has control groups of its own: nspawn would put all machines into one, /payload.
HIERARCHIES = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup")
NOISY = (
    *("getty@.service", "console-getty.service", "serial-getty@.service", "systemd-networkd.service"),
    *("systemd-networkd-wait-online.service", "systemd-timesyncd.service", "systemd-resolved.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "e2scrub_all.timer", "fstrim.timer"),
    *("dpkg-db-backup.timer", "logrotate.timer", "docker.service", "containerd.service", "docker.socket"),
    *("networking.service", "postgresql.service", "redis-server.service", "nginx.service", "ssh.service"),
    *("systemd-firstboot.service", "systemd-logind.service", "cron.service", "packagekit.service"),
)
PR_SET_PDEATHSIG = 1
INTO_GROUP = (
    f"for hierarchy in {' '.join(HIERARCHIES)}; do [ ! -e $hierarchy/cgroup.procs ] || "
    '{ mkdir -p $hierarchy/$0 && echo 0 > $hierarchy/$0/cgroup.procs; } || exit 1; done; exec "$@"'
)
HANDED_THROUGH = (
    "PIP_",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "SSL_CERT_FILE",
)

Answer = TypeVar("Answer")
_libc = ctypes.CDLL(None, use_errno=True)
_workshops = itertools.count(1)


class MachineError(RuntimeError):
    """A machine that does not do what was asked, with what it said."""


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Workshop:
    """Holds the mount namespace in which layers and machines lie. One for a test session is enough."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise MachineError("a throwaway machine needs root: run it by sudo")
        if shutil.which("systemd-nspawn") is None:
            raise MachineError("systemd-nspawn is not installed: apt-get install systemd-container")
        self._prefix = f"linod-m{os.getpid()}-{next(_workshops)}"
        groups = " ".join(f"{hierarchy}/{self._prefix}-*" for hierarchy in HIERARCHIES)
        # Its stdin closes however this process ends. The machines die by PDEATHSIG; what is left to the
        # keeper is to remove their empty control groups, which end with no namespace.
        script = (
            f"mount -t tmpfs -o mode=755,size=75% linod {BENCH} && echo ready && cat >/dev/null\n"
            "shopt -s nullglob; for turn in {1..100}; do\n"
            f"left=({groups}); [ ${{#left[@]}} != 0 ] || break\n"
            'find "${left[@]}" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.05; done'
        )
        self._keeper = subprocess.Popen(
            ["unshare", "--mount", "--propagation=private", "bash", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us; the keeper is needed to clean up
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline().strip() != "ready":
            raise MachineError("a tmpfs cannot be mounted: is this a container without CAP_SYS_ADMIN?")
        self._numbers = itertools.count(1)

    def inside(self, *command: str) -> list[str]:
        """The command as to be run in the namespace."""
        return ["nsenter", "--mount", "--root", "--wd", f"--target={self._keeper.pid}", "--", *command]

    def sh(self, script: str) -> str:
        """Run a shell script in the namespace."""
        done = subprocess.run(self.inside("bash", "-euc", script), capture_output=True, text=True)
        if done.returncode:
            raise MachineError(f"{script}\n{done.stdout}{done.stderr}")
        return done.stdout

    def new_name(self) -> str:
        return f"{self._prefix}-{next(self._numbers)}"

    def close(self) -> None:
        """End the namespace, and everything mounted in it."""
        for pipe in (self._keeper.stdin, self._keeper.stdout):
            if pipe is not None:
                pipe.close()
        self._keeper.wait()

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Machine:
    """A root made of layers (the lowest first), booted. Use it in a ``with`` statement.

    ``wanted``: units that it runs although they are among the noisy ones; ``options``: further ones of
    systemd-nspawn.
    """

    def __init__(
        self,
        workshop: Workshop,
        base: Path = Path("/"),
        layers: Sequence[str] = (),
        *,
        network: bool = True,
        wanted: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        self.workshop = workshop
        self.base = base
        self.layers = tuple(layers)
        self.network = network
        self.wanted = tuple(wanted)
        self.options = tuple(options)
        self.name = workshop.new_name()
        self.folder = f"{BENCH}/{self.name}"
        self.root = f"{self.folder}/root"
        self.leader = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._boots = itertools.count(1)

    def __enter__(self) -> Self:
        try:
            self._lay_out()
            self.boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _lay_out(self) -> None:
        lower = shlex.quote(":".join([*reversed(self.layers), str(self.base)]))
        folder, root = self.folder, self.root
        noisy = [unit for unit in NOISY if unit not in self.wanted]
        mask, unmask = (
            " ".join(f"{root}/etc/systemd/system/{unit}" for unit in units) for units in (noisy, self.wanted)
        )
        self.workshop.sh(
            f"mkdir -p {folder}/upper {folder}/work {root}\n"
            f"{self._hidden_cache() if self.base == Path('/') and not self.layers else ''}\n"
            f"mount -t overlay linod {root} "
            f"-o lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work\n"
            f"mkdir -p {root}{SOURCE}\n"
            f"mount --bind -o ro {shlex.quote(str(CHECKOUT))} {root}{SOURCE}\n"
            f"rm -rf {root}/var/log/journal {root}/var/lib/systemd/timers\n"
            f"for unit in {mask}; do ln -sfn /dev/null $unit; done\n"
            f"for unit in {unmask}; do [ ! -L $unit ] || rm $unit; done\n"
            f"[ -s {root}/etc/machine-id ] || systemd-id128 new > {root}/etc/machine-id\n"
        )
        if self.base != Path("/"):
            self._hand_through()
        elif not self.layers:
            self._forget_the_host()

    def _forget_the_host(self) -> None:
        """Nothing that this host runs may run a second time inside, nor an installation of ours."""
        self.workshop.sh(
            f"cd {self.root}/etc\n"
            "find systemd/system -maxdepth 1 \\( -name '*.wants' -o -name '*.requires' -o -name 'linod*' \\) "
            "-exec rm -rf {} +\n"
            "rm -rf rc?.d/* linod sysusers.d/linod.conf logrotate.d/linod\n"
            "rm -rf ../opt/linod ../usr/local/bin/linod* ../var/lib/linod ../var/log/linod\n"
            ": > fstab\n"
            "systemd-id128 new > machine-id\n"
        )

    def _hidden_cache(self) -> str:
        """A whiteout over the roots that `debian` made: `rm` would need a second for their files."""
        hidden = cache_directory()
        above = " ".join(shlex.quote(str(folder)[1:]) for folder in reversed(hidden.parents) if folder.name)
        if not hidden.is_dir():
            return ""
        return (
            f"tar -C / --no-recursion -c {above} | tar -C {self.folder}/upper -xp\n"
            f"mknod {shlex.quote(f'{self.folder}/upper{hidden}')} c 0 0"
        )

    def _hand_through(self) -> None:
        """Let apt and pip inside reach what they reach outside: certificates, proxies, indexes."""
        script = [f"cd {self.root}"]
        for path in ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/resolv.conf", "/etc/hosts"):
            script.append(
                f"[ ! -e {path} ] || {{ mkdir -p .{os.path.dirname(path)}; cp -L {path} .{path}; }}"
            )
        for path in ("/etc/apt/auth.conf.d", "/usr/local/share/ca-certificates"):
            script.append(f"[ ! -d {path} ] || {{ mkdir -p .{path}; cp -rL {path}/. .{path}; }}")
        for config in (Path.home() / ".config/pip/pip.conf", Path.home() / ".pip/pip.conf"):
            quoted = shlex.quote(str(config))
            script.append(
                f"[ ! -e {quoted} ] || {{ mkdir -p root/.config/pip; cp {quoted} root/.config/pip/; }}"
            )
        script.append(f"printf %s {shlex.quote(_apt_transport())} > etc/apt/apt.conf.d/90host")
        self.workshop.sh("\n".join(script))

    def boot(self) -> None:
        """Boot the root; returns once PID 1 has started what it starts at boot."""
        nspawn = [
            *("systemd-nspawn", "-q", "-D", self.root, "--boot", "--register=no", "--keep-unit"),
            *("--link-journal=no", "--console=pipe", f"--machine={self.name}", "--resolv-conf=off"),
            *([] if self.network else ["--private-network"]),
            *self.options,
        ]
        # A pid namespace of its own: its first process gone, the kernel kills all the others.
        own = ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount", "--mount-proc"]
        self._console = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the machine runs
        self._process = subprocess.Popen(
            self.workshop.inside(*own, "bash", "-c", INTO_GROUP, self._new_group(), *nspawn),
            stdin=subprocess.DEVNULL,
            stdout=self._console,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        self.leader = self.poll(self._find_leader, 20, "PID 1 to appear")
        self.poll(lambda: self.run("true", check=False).returncode == 0, 20, "the root to be entered")
        self.poll(self._booted, 60, "the boot to end")

    def _new_group(self) -> str:
        return f"{self.name}-boot{next(self._boots)}"

    def _booted(self) -> bool:
        state = self.run("systemctl", "is-system-running", "--wait", check=False).stdout.strip()
        return state in ("running", "degraded")

    def _find_leader(self) -> int:
        assert self._process is not None
        if self._process.poll() is not None:
            self._console.seek(0)
            said = self._console.read().decode(errors="replace")
            raise MachineError(f"systemd-nspawn ended with {self._process.returncode}: {said}")
        for pid in _descendants(self._process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                status = Path(f"/proc/{pid}/status").read_text()
                ids = next(line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
                comm = Path(f"/proc/{pid}/comm").read_text().strip()
                if len(ids) >= 3 and ids[-1] == "1" and comm == "systemd":
                    return pid
        return 0

    # --- what to do with it ---------------------------------------------------------------

    def command(self, *argv: str, user: str | None = None) -> list[str]:
        """The command as it is run from outside."""
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "TERM": os.environ.get("TERM", "dumb"),
            **{key: value for key, value in os.environ.items() if key.startswith(HANDED_THROUGH)},
        }
        assignments = [f"{key}={value}" for key, value in environment.items()]
        become = ["runuser", "-u", user, "--"] if user else []
        enter = ["nsenter", f"--target={self.leader}", "--all", "--root", "--wd", "--"]
        return [*enter, "env", "-i", *assignments, *become, *argv]

    def run(
        self,
        *argv: str,
        check: bool = True,
        user: str | None = None,
        input: str | None = None,
        timeout: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside; its output is text.

        :raises MachineError: where it fails and ``check``.
        """
        done = subprocess.run(
            self.command(*argv, user=user), capture_output=True, text=True, input=input, timeout=timeout
        )
        if check and done.returncode:
            raise MachineError(f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def sh(self, script: str, *, check: bool = True, user: str | None = None, timeout: float = 300) -> str:
        """Run a shell script inside; what it printed."""
        return self.run("bash", "-c", script, check=check, user=user, timeout=timeout).stdout

    def write(self, path: str, text: str) -> None:
        """Write a file inside, and the folders it needs."""
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat > "$1"', "sh", path, input=text)

    def read(self, path: str) -> str:
        return self.run("cat", path).stdout

    def poll(self, question: Callable[[], Answer], seconds: float, what: str) -> Answer:
        """Ask until the answer is true; that answer.

        :raises MachineError: where it isn't within the time, with the last answer.
        """
        deadline = time.monotonic() + seconds
        while True:
            asked = time.monotonic()
            if answer := question():
                return answer
            now = time.monotonic()
            if now > deadline:
                raise MachineError(f"waited {seconds:.0f} s for {what}; the last answer was {answer!r}")
            time.sleep(max(0.05, now - asked))  # a question that takes long is not to take the processor, too

    def power_off(self) -> None:
        """Shut it down as an administrator would; the root stays."""
        self.run("systemctl", "poweroff", check=False)
        self._wait_for_end(60)

    def reboot(self) -> None:
        """Shut it down and boot the same root again."""
        self.power_off()
        self.boot()

    def pull_the_plug(self) -> None:
        """End it as a power cut does; the root stays."""
        self._kill()

    def snapshot(self) -> str:
        """Shut it down and freeze what it wrote as a layer, on which other machines can be built."""
        self.power_off()
        frozen = f"{BENCH}/layer-{self.name}"
        self.workshop.sh(f"umount {self.root}{SOURCE} {self.root}; mv {self.folder}/upper {frozen}")
        return frozen

    def close(self) -> None:
        """End it and forget what it wrote."""
        self._kill()
        self.workshop.sh(
            f"umount -q {self.root}{SOURCE} || true; umount -q {self.root} || true; rm -rf {self.folder}"
        )

    def _kill(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._wait_for_end(20)

    def _wait_for_end(self, seconds: float) -> None:
        assert self._process is not None
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._console.close()
        if self.leader:
            gone = Path(f"/proc/{self.leader}")
            self.poll(lambda: not gone.exists(), 20, "PID 1 to end")
        self._process, self.leader = None, 0


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


def _apt_transport() -> str:
    """How apt reaches its mirrors here. Not its hooks: what they run is not installed inside."""
    kept = ("Acquire::http", "Acquire::Check-", "Acquire::Retries", "Acquire::ForceIPv")
    settings = _output("apt-config", "dump", "Acquire").splitlines()
    # Auto-Detect names a program of this host.
    found = [line for line in settings if line.startswith(kept) and "Auto-Detect" not in line]
    return "".join(f"{line}\n" for line in found)


def host_root(*versions: str) -> Path:
    """This host's own root, where it is one of these versions of Debian; else a plain root of the first."""
    release = platform.freedesktop_os_release()
    fits = release.get("ID") == "debian" and release.get("VERSION_ID") in versions
    # What is mounted on its own (/var, /usr) is not in an overlay of /.
    whole = len({os.stat(folder).st_dev for folder in ("/", "/etc", "/usr", "/var")}) == 1
    probe = f"mount -t tmpfs t {BENCH} && cd {BENCH} && mkdir u w r && mount -t overlay o r"
    options = "-o lowerdir=/,upperdir=u,workdir=w"
    if fits and whole and _succeeds("unshare", "--mount", "sh", "-c", f"{probe} {options}"):
        return Path("/")
    return debian(SUITES[versions[0]])


SCRIPTS = "/usr/share/debootstrap/scripts"
SUITES = {"12": "bookworm", "13": "trixie"}


def own_suite() -> str:
    """The release of Debian that the tests have without a root of their own: this host's, or bookworm."""
    release = platform.freedesktop_os_release()
    version = release.get("VERSION_ID", "") if release.get("ID") == "debian" else ""
    return SUITES.get(version, "bookworm")


def other_suite() -> str:
    """The other release that we support."""
    return next(suite for suite in SUITES.values() if suite != own_suite())


def cache_directory() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "linod-systemd").resolve()


def debian(suite: str) -> Path:
    """A minimal root of a Debian release with systemd and nothing of ours; made once, then cached."""
    cache = cache_directory()
    root = cache / suite
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.is_dir():
            _debootstrap(suite, root)
    return root


def _debootstrap(suite: str, root: Path) -> None:
    if shutil.which("debootstrap") is None:
        raise MachineError("debootstrap is not installed: apt-get install debootstrap")
    making = root.with_name(f"{suite}.making")
    mirror = debian_mirror()
    include = "systemd,systemd-sysv,dbus,python3,python3-venv,ca-certificates,git"
    # Namespaces of its own: it mounts /proc and starts processes, and may be interrupted.
    own = ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]
    # Kept where it fails: the next time goes on from there.
    packages = cache_directory() / f"{suite}.packages"
    packages.mkdir(exist_ok=True)
    options = ["--variant=minbase", f"--include={include}", f"--cache-dir={packages}"]
    # A release that is newer than this debootstrap is made as its newest.
    script = suite if Path(SCRIPTS, suite).exists() else "sid"
    command = ["debootstrap", *options, suite, str(making), mirror, f"{SCRIPTS}/{script}"]
    try:
        shutil.rmtree(making, ignore_errors=True)
        done = subprocess.run([*own, *command], capture_output=True, text=True, preexec_fn=_die_with_parent)
        if done.returncode:
            raise MachineError(f"debootstrap of {suite} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        (making / "etc/apt/sources.list").write_text(f"deb {mirror} {suite} main\n")
        making.rename(root)
        shutil.rmtree(packages)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def debian_mirror() -> str:
    """The mirror that this machine's apt uses for Debian itself."""
    listed = _output("apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)")
    for line in listed.splitlines():
        origin, label, uri = (line.split() + ["", "", ""])[:3]
        if (origin, label) == ("Debian", "Debian"):
            return uri
    raise MachineError("apt knows no mirror of Debian: run apt-get update")


def main() -> int:
    """Make the roots that the quick tests boot, where they are not there yet."""
    try:
        for root in (host_root(*SUITES), debian(other_suite())):
            print(root)
    except MachineError as error:
        print(f"tests/support/machine.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
