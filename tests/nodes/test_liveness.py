"""The end of a process is seen at once, and never that of another; the permission to drive goes with its supervisor."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from rover_energy.nodes.liveness import Peer, identity
from rover_energy.nodes.permission import SILENCE, SILENCE_ELSEWHERE, Permission

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system has no pidfd")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_a_death_is_seen_within_milliseconds(sleeper: subprocess.Popen[bytes]) -> None:
    peer = Peer(identity(sleeper.pid))
    assert peer.local
    assert not peer.ended
    peer.kill()
    began = time.monotonic()
    while not peer.ended:
        assert time.monotonic() - began < 1.0
    assert peer.ended, "a zombie has ended too"
    peer.kill()  # nobody is hit
    peer.close()


def test_another_process_under_the_same_number_is_not_meant(sleeper: subprocess.Popen[bytes]) -> None:
    words = identity(sleeper.pid).split("/")
    words[3] = str(int(words[3]) - 1)
    peer = Peer("/".join(words))
    assert peer.ended
    peer.kill()
    assert sleeper.poll() is None


@pytest.mark.parametrize("stated", ["", "x", "another-boot/1/1/1", f"{os.getpid()}"])
def test_processes_elsewhere_are_not_judged(stated: str) -> None:
    peer = Peer(stated)
    assert not peer.local
    assert not peer.ended
    peer.kill()


def test_identity_of_nobody_is_empty() -> None:
    assert identity(2**22 + 12345) == ""
    assert identity() == identity(os.getpid())


def word(level: bytes, text: str, stated: str) -> SimpleNamespace:
    return SimpleNamespace(level=level, OK=b"\0", message=text, hardware_id=stated)


def test_permission(sleeper: subprocess.Popen[bytes]) -> None:
    stated, permission = identity(sleeper.pid), Permission()
    assert permission.missing(10.0) == "no supervisor"
    permission.hear(word(b"\1", "drive has ended", stated), 10.0)
    assert permission.missing(10.1) == "drive has ended"
    permission.hear(word(b"\0", "ready", stated), 10.2)
    assert permission.missing(10.2 + SILENCE) == ""
    assert "silent" in permission.missing(10.21 + SILENCE)
    assert "silent" in permission.missing(float("nan"))
    sleeper.kill()
    sleeper.wait()
    assert permission.missing(10.25) == "the supervisor has ended"
    permission.hear(word(b"\0", "ready", stated), 10.3)  # on its way when it died
    assert permission.missing(10.3) == "the supervisor has ended"
    permission.hear(word(b"\0", "ready", identity()), 10.4)
    assert permission.missing(10.4) == ""


def test_a_supervisor_elsewhere_may_not_be_silent_for_long() -> None:
    permission = Permission()
    permission.hear(word(b"\0", "ready", "another-boot/1/1/1"), 5.0)
    assert permission.missing(5.0 + SILENCE_ELSEWHERE) == ""
    assert "silent" in permission.missing(5.01 + SILENCE_ELSEWHERE)
