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
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from rover_energy.errors import RoverEnergyError
from rover_energy.planning.optimiser import Optimiser, Outcome
from rover_energy.planning.scene_fields import SceneFields
from rover_energy.planning.transcription import Programme

START_SECONDS = 120.0  # importing CasADi, and compiling the oracle on its first use ever
_LENGTH = struct.Struct("<Q")


class SolverTimeout(RoverEnergyError):
    """The solver gave no answer in time; its process was killed."""


class SolverDied(RoverEnergyError):
    """The solver's process ended without an answer."""


def _send(stream: IO[bytes], message: Any) -> None:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
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
        self._child, self._sent = None, None

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
            [sys.executable, "-m", "rover_energy.planning.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        self._await(START_SECONDS)

    def optimise(self, programme: Programme, *, seconds: float, **options: Any) -> Outcome:
        """As `Optimiser.optimise`, within so many seconds. Raises SolverTimeout or SolverDied."""
        return self._call("optimise", programme, seconds, options)

    def probe(self, what: str, *, seconds: float) -> Any:
        """Ask the child to misbehave ("hang" or "die"), for tests of the watch."""
        return self._call(what, None, seconds, {})

    def _call(self, what: str, programme: Programme | None, seconds: float, options: dict[str, Any]) -> Any:
        self.start()
        assert self._child is not None
        assert self._child.stdin is not None
        scene = self._scene if self._scene is not self._sent else None
        try:
            _send(self._child.stdin, (what, scene, programme, options))
        except OSError:
            self._restart()
            raise SolverDied("the solver process ended; a new one is started with the next plan") from None
        self._sent = self._scene
        # the first programme of a variant may have to compile its oracle
        return self._await(seconds)

    def _await(self, seconds: float) -> Any:
        assert self._child is not None
        assert self._child.stdout is not None
        ready, _, _ = select.select([self._child.stdout], [], [], seconds)
        if not ready:
            self._restart()
            raise SolverTimeout(f"the solver gave no answer within {seconds:g} s and was stopped")
        try:
            kind, value = _receive(self._child.stdout)
        except (EOFError, pickle.UnpicklingError):
            self._restart()
            raise SolverDied("the solver process ended without an answer") from None
        if kind == "error":
            raise SolverDied(f"the solver failed: {value}")
        return value

    def _restart(self) -> None:
        self.close()
        self.restarts += 1


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer programmes until the parent closes the pipe."""
    optimiser = Optimiser()
    _send(sink, ("ready", os.getpid()))
    while True:
        try:
            what, scene, programme, options = _receive(source)
        except EOFError:
            return
        try:
            if scene is not None:
                optimiser.set_scene(scene)
            _send(sink, ("ok", _answer(optimiser, what, programme, options)))
        except Exception as error:  # the parent turns it into a typed failure and falls back
            _send(sink, ("error", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))


def _answer(optimiser: Optimiser, what: str, programme: Programme, options: dict[str, Any]) -> Any:
    if what == "optimise":
        return optimiser.optimise(programme, **options)
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
