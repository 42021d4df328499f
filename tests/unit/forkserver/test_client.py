"""What the client of a warm job does at each word, and at each silence, of a supervisor."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from linod_systemd.forkserver import client
from linod_systemd.systemd import invocation

ASK = Path(client.__file__).with_name("ask.py")
COLD = [sys.executable, "-c", "print('cold')"]

Talk = Callable[[socket.socket], object]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "socket")


@pytest.fixture
def serve(path: str) -> Iterator[Callable[[Talk], None]]:
    """Talk to the one client that comes; the connection ends with that."""
    threads = []

    def begin(talk: Talk) -> None:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listening.bind(path)
        listening.listen()

        def accept() -> None:
            with listening, listening.accept()[0] as connection:
                connection.settimeout(20)
                talk(connection)

        threads.append(threading.Thread(target=accept))
        threads[0].start()

    yield begin
    for thread in threads:
        thread.join()


def ask(path: str) -> subprocess.CompletedProcess[str]:
    """Run the client as a unit does. Its output goes to files: who has got its streams may keep them."""
    command = [sys.executable, "-I", "-S", str(ASK), path, "a rule", *COLD]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        done = subprocess.run(command, stdout=output, stderr=errors, timeout=60)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(command, done.returncode, output.read(), errors.read())


def to_ready(connection: socket.socket, process: int | None = None) -> None:
    """As far as the words go before the client commits itself."""
    request, streams, _, _ = socket.recv_fds(connection, 4096, 3)
    assert request == b"linod-job 1\0a rule\0" + os.getcwdb()
    os.write(streams[1], b"warm\n")
    for stream in streams:
        os.close(stream)
    connection.send(b"wait")
    connection.send(b"ready %d" % (process or os.getpid()))
    assert connection.recv(4096) == b"go"


def says(*words: bytes) -> Talk:
    def talk(connection: socket.socket) -> None:
        to_ready(connection)
        for word in words:
            connection.send(word)

    return talk


def test_no_supervisor(path: str) -> None:
    done = ask(path)
    assert (done.returncode, done.stdout) == (0, "cold\n")
    assert done.stderr.startswith("linod: runs cold: the supervisor does not take the job (")


def test_socket_that_nobody_listens_at(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(path)
    assert ask(path).stdout == "cold\n"


def test_full_queue_is_not_waited_for(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(path)
        listening.listen(0)
        others = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        for other in others:
            other.setblocking(False)
        others[0].connect(path)
        with pytest.raises(BlockingIOError):
            others[1].connect(path)
        assert ask(path).stdout == "cold\n"
        for other in others:
            other.close()


def test_supervisor_that_says_nothing(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(path)
        listening.listen()
        done = ask(path)
    assert done.stdout == "cold\n"
    assert "timed out" in done.stderr


def test_refusal_is_told(path: str, serve: Callable[[Talk], None]) -> None:
    serve(lambda connection: connection.send(b"no its queue is full"))
    done = ask(path)
    assert (done.stdout, done.stderr) == ("cold\n", "linod: runs cold: its queue is full\n")


def test_end_before_ready(path: str, serve: Callable[[Talk], None]) -> None:
    serve(lambda connection: connection.send(b"wait"))
    done = ask(path)
    assert (done.stdout, done.stderr) == ("cold\n", "linod: runs cold: the supervisor ended\n")


@pytest.mark.parametrize("words", [(), (b"ended 9",)])
def test_job_that_ends_before_it_begins_is_run_cold(
    path: str, serve: Callable[[Talk], None], words: tuple[bytes, ...]
) -> None:
    serve(says(*words))
    done = ask(path)
    assert done.stdout == "warm\ncold\n"  # the first by the test, to whom its streams were passed
    assert done.stderr == "linod: runs cold: its process ended before it began\n"


@pytest.mark.parametrize(
    ("word", "code"),
    [
        (b"exit 0", 0),
        (b"exit 3", 3),
        (b"ended 1792", 7),
        (b"ended 9", -signal.SIGKILL),
        (b"ended 15", -signal.SIGTERM),
        (b"ended 139", -signal.SIGSEGV),
    ],
)
def test_job_that_began_is_never_run_again(
    path: str, serve: Callable[[Talk], None], word: bytes, code: int
) -> None:
    serve(says(b"started", word))
    done = ask(path)
    assert (done.returncode, done.stdout) == (code, "warm\n")


def test_job_whose_end_nobody_tells_was_killed(path: str, serve: Callable[[Talk], None]) -> None:
    serve(says(b"started"))
    done = ask(path)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "warm\n")


def test_signals_reach_the_job_and_who_was_stopped_does_not_begin_anew(
    path: str, serve: Callable[[Talk], None]
) -> None:
    job = subprocess.Popen(["sleep", "60"])

    def talk(connection: socket.socket) -> None:
        to_ready(connection, job.pid)
        os.kill(asking.pid, signal.SIGTERM)
        assert job.wait(20) == -signal.SIGTERM

    serve(talk)
    asking = subprocess.Popen(
        [sys.executable, "-I", "-S", str(ASK), path, "a rule", *COLD], stdout=subprocess.PIPE, text=True
    )
    output, _ = asking.communicate(timeout=60)
    assert (asking.returncode, output) == (-signal.SIGTERM, "warm\n")


def test_the_mark_of_an_end_has_one_name() -> None:
    """The client imports nothing of ours, so that each side has the name."""
    assert client.ENDED_MARK == invocation.ENDED_MARK
