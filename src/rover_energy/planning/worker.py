"""A watched process that solves: what hangs or dies in it never reaches the caller.

The solver runs compiled code that Python cannot interrupt. `SolverProcess` therefore keeps it in a child process, waits for
each answer no longer than it is told, kills a child that is late or dead, and starts the next one. Run as a module, this
file is that child.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rover_energy.errors import RoverEnergyError
from rover_energy.planning.optimiser import Outcome
from rover_energy.planning.scene_fields import SceneFields
from rover_energy.planning.solver import LocalSolver
from rover_energy.planning.stage import Variant
from rover_energy.planning.transcription import Programme

START_SECONDS = 180.0  # importing CasADi, and compiling a variant on its first use ever
GRACE_SECONDS = 1.0  # after which a late child that nobody stopped, for its parent has died, ends itself
_LENGTH = struct.Struct("<Q")
_CHUNK = 1 << 20


class SolverTimeout(RoverEnergyError):
    """The solver gave no answer in time; its process was killed."""


class SolverDied(RoverEnergyError):
    """The solver's process ended without an answer."""


def _packed(message: Any) -> bytes:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


def _send(stream: IO[bytes], message: Any) -> None:
    stream.write(_packed(message))
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    size = _LENGTH.unpack(head)[0]
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return pickle.loads(data)


class SolverProcess:
    """Solves programmes in a child process. Use as a context manager, or `close` it; it also ends with its parent."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._scene: SceneFields | None = None
        self._sent: SceneFields | None = None
        self._prepared: set[Variant] = set()
        self.restarts = 0

    def __enter__(self) -> SolverProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for stream in (self._child.stdin, self._child.stdout):
                with contextlib.suppress(OSError):
                    stream and stream.close()
        self._child, self._sent, self._prepared = None, None, set()

    def interrupt(self) -> None:
        """End the child from another thread: whoever waits for its answer gets SolverDied; the next plan starts another."""
        child = self._child
        if child is not None:
            child.kill()

    def set_scene(self, scene: SceneFields) -> None:
        """World of the following programmes; sent to the child with the next one."""
        self._scene = scene

    def start(self) -> None:
        """Start the child now, so that the first plan need not wait for it. Raises SolverDied."""
        if self._child is not None and self._child.poll() is None:
            return
        self.close()
        roots = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(root for root in roots if root))
        self._child = subprocess.Popen(
            [sys.executable, "-m", "rover_energy.planning.worker"], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment,
        )  # fmt: skip
        for stream in (self._child.stdin, self._child.stdout):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)  # neither a full nor an empty pipe may hold the caller
        self._answer(time.monotonic() + START_SECONDS)

    def prepare(self, variant: Variant) -> None:
        """Compile what programmes of a variant need, which takes long on the first use ever. Raises as `optimise`."""
        if variant not in self._prepared or self._child is None or self._child.poll() is not None:
            self._call("prepare", variant, START_SECONDS, {})
            self._prepared.add(variant)

    def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Outcome:
        """As `Optimiser.optimise`, within so many seconds once its variant is prepared. Raises SolverTimeout or SolverDied."""
        self.prepare(programme.variant)
        result: Outcome = self._call("optimise", programme, seconds, options)
        return result

    def probe(self, what: str, *, seconds: float) -> Any:
        """Ask the child to misbehave ("hang" or "die"), for tests of the watch."""
        return self._call(what, None, seconds, {})

    def _call(self, what: str, subject: Any, seconds: float, options: dict[str, Any]) -> Any:
        self.start()
        deadline = time.monotonic() + seconds
        scene = self._scene if self._scene is not self._sent else None
        try:
            self._write(_packed((what, scene, subject, seconds, options)), deadline)
            self._sent = self._scene
            return self._answer(deadline)
        except RoverEnergyError:
            raise
        except BaseException:  # an interrupt must not leave this answer in the pipe for the next question
            self._restart()
            raise

    def _write(self, data: bytes, deadline: float) -> None:
        assert self._child is not None
        assert self._child.stdin is not None
        view = memoryview(data)
        while view:
            self._wait([], [self._child.stdin], deadline)
            try:
                view = view[os.write(self._child.stdin.fileno(), view[:_CHUNK]) :]
            except BlockingIOError:
                continue
            except OSError:
                self._restart()
                raise SolverDied("the solver process ended; a new one is started with the next plan") from None

    def _read(self, size: int, deadline: float) -> bytes:
        assert self._child is not None
        assert self._child.stdout is not None
        parts: list[bytes] = []
        while size > 0:
            self._wait([self._child.stdout], [], deadline)
            part = os.read(self._child.stdout.fileno(), min(size, _CHUNK))
            if not part:
                self._restart()
                raise SolverDied("the solver process ended without an answer")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _wait(self, readers: list[IO[bytes]], writers: list[IO[bytes]], deadline: float) -> None:
        left = deadline - time.monotonic()
        if not any(select.select(readers, writers, [], max(0.0, left))):
            self._restart()
            raise SolverTimeout("the solver gave no answer in time and was stopped")

    def _answer(self, deadline: float) -> Any:
        size = _LENGTH.unpack(self._read(_LENGTH.size, deadline))[0]
        data = self._read(size, deadline)
        try:
            kind, value = pickle.loads(data)
        except Exception:
            self._restart()
            raise SolverDied("the solver process gave an answer that cannot be read") from None
        if kind == "error":
            raise SolverDied(f"the solver failed: {value}")
        return value

    def _restart(self) -> None:
        self.close()
        self.restarts += 1


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer programmes until the parent closes the pipe."""
    solver = LocalSolver()
    _send(sink, ("ready", os.getpid()))
    while True:
        try:
            what, scene, subject, seconds, options = _receive(source)
        except EOFError:
            return
        try:
            with _alarm(seconds + GRACE_SECONDS):
                if scene is not None:
                    solver.set_scene(scene)
                answer = _perform(solver, what, subject, seconds, options)
            _send(sink, ("ok", answer))
        except BrokenPipeError:
            return
        except Exception as error:  # the parent turns it into a typed failure and falls back
            _send(sink, ("error", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """The system ends this process unless the block is left in time, even from within compiled code."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, min(seconds, 1.0e6))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def _perform(solver: LocalSolver, what: str, subject: Any, seconds: float, options: dict[str, Any]) -> Any:
    if what == "prepare":
        return solver.prepare(subject)
    if what == "optimise":
        return solver.optimise(subject, seconds=seconds, **options)
    if what == "hang":
        while True:
            time.sleep(3600.0)
    if what == "die":
        os._exit(9)
    raise ValueError(what)


def main() -> None:
    """Child process: frames come on standard input, answers go to standard output; whatever else prints goes to stderr."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(source, sink)


if __name__ == "__main__":
    main()
