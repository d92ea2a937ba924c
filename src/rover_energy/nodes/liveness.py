"""Whether another process still lives, told by the operating system at once; heartbeats alone would need seconds to be sure."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path


def identity(pid: int | None = None) -> str:
    """Name of a process on this machine that no other has: boot, PID namespace, process number, start. Empty when it is gone."""
    number = os.getpid() if pid is None else pid
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        started = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}/{number}/{started}"
    except (OSError, IndexError):
        return ""


class Peer:
    """Another process, by the identity that it states. `local`: it runs here, so that its end is known without asking it."""

    def __init__(self, stated: str) -> None:
        self.stated, self.local, self._handle, self._ended = stated, False, -1, False
        words, own = stated.split("/"), identity().split("/")
        if not (len(words) == len(own) == 4 and words[:2] == own[:2] and hasattr(os, "pidfd_open")):
            return
        self.pid, self.local = int(words[2]), True
        try:
            self._handle = os.pidfd_open(self.pid)
        except OSError:
            self._ended = True
        if identity(self.pid) != stated:  # its number is another's by now
            self._ended = True

    @property
    def ended(self) -> bool:
        """True when it has surely ended; False also for processes elsewhere."""
        if not self._ended and self._handle >= 0:
            waiting = select.poll()
            waiting.register(self._handle, select.POLLIN)
            self._ended = bool(waiting.poll(0))
        return self._ended

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; a process that has ended or runs elsewhere gets none."""
        if self.local and not self.ended:
            signal.pidfd_send_signal(self._handle, number)

    def close(self) -> None:
        """Forget it."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
