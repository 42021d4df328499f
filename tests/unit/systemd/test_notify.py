"""What the supervisor tells systemd, read back from a real socket."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from linod_systemd.systemd.notify import Notifier


@pytest.fixture
def received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def test_ready_and_the_others(received: socket.socket) -> None:
    notifier = Notifier()
    notifier.ready("7 rules")
    assert received.recv(1000) == b"READY=1\nSTATUS=7 rules"
    notifier.watchdog()
    assert received.recv(1000) == b"WATCHDOG=1"
    notifier.reloading()
    assert received.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    notifier.stopping()
    assert received.recv(1000) == b"STOPPING=1\nSTATUS=stopping"


def test_status_is_utf8_and_one_line(received: socket.socket) -> None:
    Notifier().status("schön\nREADY=1 €")
    assert received.recv(1000) == "STATUS=schön READY=1 €".encode()


def test_socket_that_cannot_be_reached_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    with caplog.at_level(logging.WARNING):
        Notifier().status("hello")
    assert "nobody cannot be reached" in caplog.text


def test_without_a_socket_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Notifier().ready("7 rules")
    assert caplog.text == ""


def test_loop_sleeps_half_the_watchdogs_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    assert Notifier().check_every(20) == 2
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    assert Notifier().check_every(20) == 20
    monkeypatch.delenv("WATCHDOG_USEC")
    assert Notifier().check_every(20) == 20
