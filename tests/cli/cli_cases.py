"""Running the command line in this process, as the console script does, and the inputs that the tests share."""

from __future__ import annotations

import contextlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rover_energy.cli.main import run

DATA = Path(os.environ.get("ROVER_ENERGY_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
SUNNY = "site: {sun_azimuth: 60.0, sun_elevation: 30.0, cast_shadows: false}\n"
DARK = "site: {sun_azimuth: 0.0, sun_elevation: -10.0}\n"


def data(*parts: str) -> Path:
    """A file or folder of the reference data; skips the test where it is absent."""
    path = DATA.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference data not found: {path} (set ROVER_ENERGY_DATA)")
    return path


@dataclass(frozen=True)
class Outcome:
    """What one command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


def rover_energy(*arguments: object) -> Outcome:
    """Run the command's real entry point."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(a) for a in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


def rolling_ground(path: Path, side: float = 16.0, cell: float = 0.5) -> Path:
    """A small .npz of gentle waves with one square rock at (10, 4)."""
    axis = np.arange(0.0, side + cell / 2, cell)
    height = 0.15 * np.sin(axis / 3.0)[None, :] + 0.1 * np.cos(axis / 4.0)[:, None]
    rock = [[[9.5, 3.5], [10.5, 3.5], [10.5, 4.5], [9.5, 4.5]]]
    np.savez(path, height=height, cell=cell, keep_outs=np.array(rock))
    return path
