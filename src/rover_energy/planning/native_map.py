"""The compiled front end: mirrors of its C structures and the library itself, or None without a compiler."""

from __future__ import annotations

import ctypes
import math
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.native import load_library
from rover_energy.planning.costmap import OFFSETS, Blocked, CostMap

_D, _I, _P = ctypes.c_double, ctypes.c_int64, ctypes.c_void_p
SOURCES = ("map_model.c", "dubins.c", "grid_search.c", "search.c", "smoothing.c")


def _fields(**groups: Any) -> list[tuple[str, Any]]:
    """(name, C type) pairs from `type_n="names"`, in order."""
    kinds = {"P": _P, "I": _I, "D": _D}
    return [(name, kinds[key[0]]) for key, names in groups.items() for name in names.split()]


class MapStructure(ctypes.Structure):
    """Mirror of `Map` in map_model.c."""

    _fields_ = _fields(
        P1="coefficients", I1="columns rows", D1="x0 y0 cell",
        P2="supply clearance obstacle edge_cost offsets", I2="grid_columns grid_rows directions",
        D2="grid_x0 grid_y0 resolution least_cost", P3="traction resistance", I3="traction_count resistance_count",
        D3="traction_reach resistance_low weight linear quadratic efficiency turn_moment",
        D4="power_cap constant_load time_weight energy_weight speed yaw_rate curvature tan_slope tan_tilt clearance_margin",
    )  # fmt: skip


class RequestStructure(ctypes.Structure):
    """Mirror of `Request` in search.c."""

    _fields_ = [
        ("start", _D * 3),
        ("goal", _D * 3),
        *_fields(D="inflation radius sample key_cell change_cost", P="primitives"),
        *_fields(I="primitive_count heading_bins budget shot_interval"),
    ]


class AnswerStructure(ctypes.Structure):
    """Mirror of `Answer` in search.c."""

    _fields_ = [*_fields(I="status arcs expansions generated settled", D="cost start_bound"), ("rejected", _I * len(Blocked))]


class BandStructure(ctypes.Structure):
    """Mirror of `Band` in smoothing.c."""

    _fields_ = [
        *_fields(I="segments samples iterations", D="scale hinge smoothness curvature tan_slope tan_tilt clearance length"),
        ("start", _D * 3),
        ("goal", _D * 3),
        ("least_power", _D),
    ]


class BandAnswerStructure(ctypes.Structure):
    """Mirror of `BandAnswer` in smoothing.c."""

    _fields_ = _fields(D="iterations objective accepted")


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The compiled search and smoothing, built on first use; None without a compiler."""
    folder = resources.files("rover_energy.planning")
    built = load_library("\n".join(folder.joinpath(name).read_text(encoding="utf-8") for name in SOURCES), "front_end")
    if built is not None:
        for name in ("hybrid_search", "dubins_words", "cost_to_go", "band_optimise"):
            getattr(built, name).restype = None
    return built


def address(array: NDArray[Any]) -> int:
    """Address of a C-contiguous array; the caller keeps the array alive."""
    if not array.flags.c_contiguous:
        raise ValueError("the compiled front end needs contiguous arrays")
    return array.ctypes.data


def map_structure(costmap: CostMap, tan_slope: float, tan_tilt: float, clearance: float) -> MapStructure:
    """The cost map for the compiled code, with the limits to keep: tangents [-] and clearance [m].

    The structure points into the arrays of `costmap`, which must outlive it.
    """
    surface, model = costmap.surface, costmap.model
    rows, columns = surface.coefficients.shape
    grid_rows, grid_columns = costmap.clearance.shape
    arrays = (surface.coefficients, costmap.supply, costmap.clearance, costmap.obstacle, costmap.edge_cost, OFFSETS)
    coefficients, *grids = (address(a) for a in arrays)
    return MapStructure(
        coefficients, columns, rows, surface.x0, surface.y0, surface.cell,
        *grids, grid_columns, grid_rows, len(OFFSETS),
        costmap.x0, costmap.y0, costmap.resolution, costmap.least_cost,
        address(model.traction), address(model.resistance), len(model.traction), len(model.resistance),
        model.traction_reach, model.resistance_low, model.weight, model.linear, model.quadratic, model.efficiency,
        model.turn_moment, costmap.power_cap, model.constant_load, model.time_weight, model.energy_weight,
        model.speed, model.yaw_rate, costmap.limits.curvature, tan_slope, tan_tilt, clearance,
    )  # fmt: skip


def dubins_lengths(start: tuple[float, float, float], goal: tuple[float, float, float], radius: float) -> NDArray[np.float64]:
    """(6, 3, 2) curvature and length of the pieces of the words LSL RSR LSR RSL RLR LRL; infinite where a word does not exist.

    Raises RuntimeError without a compiler: `dubins.dubins_words` does the same in Python.
    """
    built = library()
    if built is None:
        raise RuntimeError("no compiled front end")
    turns, parts, lengths = np.zeros((6, 3)), np.zeros((6, 3)), np.zeros(6)
    poses = np.array(start, dtype=np.float64), np.array(goal, dtype=np.float64)
    results = (_P(address(a)) for a in (turns, parts, lengths))
    built.dubins_words(_P(address(poses[0])), _P(address(poses[1])), _D(radius), *results)
    parts[~np.isfinite(lengths)] = math.inf
    return np.stack([turns / radius, parts], axis=-1)
