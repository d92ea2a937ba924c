"""Small state files that are whole at every instant: a process killed while it writes leaves the last version."""

from __future__ import annotations

import json
import math
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from rover_energy.errors import InputError


def save(path: Path, values: Mapping[str, float], *, sync: bool) -> None:
    """Replace a state file. `sync`: on disk when this returns, so that it outlives a loss of power too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="ascii") as file:
        json.dump(dict(values), file)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    draft.replace(path)
    if sync:
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def load(path: Path, names: tuple[str, ...]) -> dict[str, float] | None:
    """A state file; None when there is none. Raises InputError when it does not hold finite numbers under these names."""
    remedy = "remove it to begin anew"
    try:
        found = json.loads(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(str(path), "state", f"cannot be read: {error}", remedy) from None
    if not isinstance(found, dict):
        raise InputError(str(path), "state", "is not a mapping", remedy)
    for name in names:
        value = found.get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise InputError(str(path), name, "is not a finite number", remedy, value)
    return {name: float(found[name]) for name in names}


class Keeper:
    """Saves the newest values from a thread of its own, as a disk may take long to say that it has written."""

    def __init__(self, path: Path) -> None:
        self.path, self.failure = path, ""
        self._values: Mapping[str, float] | None = None
        self._changed, self._ended = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="state", daemon=True)
        self._thread.start()

    def put(self, values: Mapping[str, float]) -> None:
        """Take over values, without waiting; older ones that are not yet written are dropped."""
        with self._changed:
            self._values = dict(values)
            self._changed.notify()

    def close(self) -> None:
        """Write what is left and end."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(5.0)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._values is not None or self._ended)
                values, self._values = self._values, None
            if values is None:
                return
            try:
                save(self.path, values, sync=True)
                self.failure = ""
            except OSError as error:
                self.failure = f"{self.path}: {error.strerror}"
