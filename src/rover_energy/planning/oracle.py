"""The compiled oracle: generated stage functions in one library per variant, `oracle.c` and `fields.c` in one per solver.

Nothing depends on the number of pieces or on the map, so each variant is compiled once and kept. The stage functions take
ten seconds to compile and the rest a fraction of one, therefore the solvers' libraries share them.
"""

from __future__ import annotations

import ctypes
import tempfile
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import casadi as ca
import numpy as np

from rover_energy.native import FLAGS, compile_library
from rover_energy.planning.model import CONSTANTS, ROWS
from rover_energy.planning.scene_fields import SceneFields
from rover_energy.planning.stage import CONTROLS, DATA, PIECE, SAMPLES, Stage, Variant

_DOUBLES = ctypes.POINTER(ctypes.c_double)
MAX_PIECES = 4096


def _pointer(array: Any) -> Any:
    return array.ctypes.data_as(_DOUBLES)


def stage_source(variant: Variant) -> str:
    """C source of the stage functions, by CasADi."""
    with tempfile.TemporaryDirectory() as folder:
        generator = ca.CodeGenerator("stage.c", {"with_header": False})
        for function in Stage(variant).functions():
            generator.add(function)
        return Path(generator.generate(folder + "/")).read_text(encoding="utf-8")


def oracle_source(variant: Variant, *, symmetric: bool) -> str:
    """C source of one solver's library without the stage functions."""
    sizes = {
        "NX": variant.states, "NU": CONTROLS, "NZ": variant.states + CONTROLS, "SAMPLES": SAMPLES, "DATA": DATA,
        "ROWS": len(ROWS), "CONSTANTS": len(CONSTANTS), "PIECE": PIECE,
    }  # fmt: skip
    defines = "".join(f"#define {name} {value}\n" for name, value in sizes.items())
    defines += "#define SYMMETRIC_HESSIAN\n" if symmetric else ""
    folder = resources.files("rover_energy.planning")
    own = [folder.joinpath(name).read_text(encoding="utf-8") for name in ("fields.c", "oracle.c")]
    return "\n".join([defines, *own])


class Oracle:
    """A loaded library: holds the map, makes nlpsol solvers, evaluates limits densely."""

    def __init__(self, variant: Variant, path: Path) -> None:
        self.variant, self.path = variant, path
        self._library = ctypes.CDLL(str(path))
        self._library.fields_set.argtypes = [ctypes.c_int, _DOUBLES, ctypes.c_int, ctypes.c_int, *[ctypes.c_double] * 4]
        self._library.scene_set.argtypes = [_DOUBLES, ctypes.c_int, ctypes.c_double, ctypes.c_double]
        self._library.oracle_limits.argtypes = [_DOUBLES] * 4
        self._fields: SceneFields | None = None

    def set_scene(self, fields: SceneFields) -> None:
        """Use another map and Sun from now on. The arrays are kept alive here, not copied."""
        if fields is self._fields:
            return
        for which, grid in enumerate((fields.height, fields.sunlit, fields.clearance)):
            if grid.coefficients is None:
                self._library.fields_set(which, None, 0, 0, 0.0, 0.0, 1.0, grid.constant)
            else:
                rows, columns = grid.coefficients.shape[-2:]
                self._library.fields_set(which, _pointer(grid.coefficients), rows, columns, grid.x0, grid.y0, grid.cell, 0.0)
        self._library.scene_set(_pointer(fields.slices), len(fields.slices), fields.start, fields.step)
        self._fields = fields
        self._library.oracle_forget()

    def solver(self, pieces: int, name: str, options: dict[str, Any]) -> ca.Function:
        """An nlpsol function for problems with so many pieces."""
        if not 1 <= pieces <= MAX_PIECES:
            raise ValueError(f"pieces = {pieces}: allowed are 1 to {MAX_PIECES}")
        self._library.oracle_declare(pieces)
        return ca.nlpsol("solver", name, str(self.path), options)

    def limits(self, x: Any, parameters: Any) -> tuple[Any, Any]:
        """States at the ends [(pieces, NX)] and rows at the samples [(pieces, SAMPLES, ROWS)] of given pieces."""
        pieces = int(parameters[0])
        ends = np.empty((pieces, self.variant.states))
        limits = np.empty((pieces, SAMPLES, len(ROWS)))
        self._library.oracle_limits(_pointer(x), _pointer(parameters), _pointer(ends), _pointer(limits))
        return ends, limits


@lru_cache(maxsize=16)
def load_oracle(variant: Variant, *, symmetric: bool = False) -> Oracle | None:
    """The oracle of a variant, compiled on first use; None without a compiler.

    `symmetric` selects the signatures of IPOPT (upper triangle of the Hessian) instead of fatrop's.
    """
    stage = _stage_library(variant)
    if stage is None:
        return None
    name = f"{variant.name}-{'triangle' if symmetric else 'full'}"
    # some linkers drop a library that is named before what needs it, unless told not to
    path = compile_library(oracle_source(variant, symmetric=symmetric), name, (*FLAGS, "-Wl,--no-as-needed", str(stage)))
    return None if path is None else Oracle(variant, path)


@lru_cache(maxsize=16)
def _stage_library(variant: Variant) -> Path | None:
    return compile_library(stage_source(variant), variant.name)
