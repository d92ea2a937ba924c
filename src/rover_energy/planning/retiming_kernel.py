"""The two passes of time-optimal retiming, in C (`retiming.c`) and, where there is no compiler, in Python."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from rover_energy.native import load_library

FloatArray = NDArray[np.float64]
TOO_FAST = -1


@dataclass(frozen=True)
class SpeedProblem:
    """Data of one retiming over n stations; see `retiming.c`.

    step : (n-1,) surface lengths of the intervals [m]. force : (n-1,) grade force and resistance at rest [N].
    gain : (n-1,) bus power per mechanical drive power. scrub : (n-1,) steady turning power per speed [W s/m].
    spin : (n,) yaw inertia times (yaw rate per speed)^2 over efficiency [kg]. allowance : (n-1,) power left for driving
    and turning [W]. cap : (n,) largest squared speed [m2/s2]. mass [kg], c1 [N s/m], c2 [N s2/m2], acceleration [m/s2].
    """

    step: FloatArray
    force: FloatArray
    gain: FloatArray
    scrub: FloatArray
    spin: FloatArray
    allowance: FloatArray
    cap: FloatArray
    mass: float
    c1: float
    c2: float
    acceleration: float

    def motion_power(self, squared_speed: FloatArray) -> FloatArray:
        """Driving and turning power in the intervals (n - 1,) [W] for squared speeds at the stations (n,) [m2/s2]."""
        root = np.sqrt(squared_speed)
        speed, half = 0.5 * (root[1:] + root[:-1]), 0.5 / self.step
        pull = self.mass * np.diff(squared_speed) * half + self.force + (self.c1 + self.c2 * speed) * speed
        twist = np.diff(self.spin * squared_speed) * half
        power: FloatArray = speed * (np.maximum(0.0, pull) * self.gain + self.scrub + np.maximum(0.0, twist))
        return power

    def solve(self, start: float, end: float, *, compiled: bool = True) -> tuple[int, FloatArray]:
        """Largest squared speeds (n,) from `start` to at most `end` [m2/s2] that keep every limit.

        Returns a status and the speeds: 0 done; k > 0 the allowance of interval k - 1 is negative or NaN; `TOO_FAST` the
        start is faster than the limits ahead allow. With `compiled` False, or without a compiler, runs in Python.
        """
        kernel = _library() if compiled else None
        return _solve_python(self, start, end) if kernel is None else _solve_c(kernel, self, start, end)


@cache
def _library() -> ctypes.CDLL | None:
    source = resources.files("rover_energy.planning").joinpath("retiming.c").read_text(encoding="utf-8")
    library = load_library(source, "retiming")
    if library is not None:
        array, number = ctypes.c_void_p, ctypes.c_double
        library.retime_profile.argtypes = [ctypes.c_int, *[array] * 7, *[number] * 6, array, array]
        library.retime_profile.restype = ctypes.c_int
    return library


def _solve_c(library: ctypes.CDLL, p: SpeedProblem, start: float, end: float) -> tuple[int, FloatArray]:
    columns = [np.ascontiguousarray(c, dtype=np.float64) for c in (p.step, p.force, p.gain, p.scrub, p.spin, p.allowance, p.cap)]
    count = len(columns[-1])
    reach, squared = np.empty(count), np.zeros(count)
    status = library.retime_profile(
        count, *(c.ctypes.data for c in columns), p.mass, p.c1, p.c2, p.acceleration, start, end,
        reach.ctypes.data, squared.ctypes.data,
    )  # fmt: skip
    return int(status), squared


def _solve_python(p: SpeedProblem, start: float, end: float) -> tuple[int, FloatArray]:
    """The same passes in plain Python, with bisection for the root."""
    count = len(p.cap)
    columns = tuple(c.tolist() for c in (p.step, p.force, p.gain, p.scrub, p.spin, p.allowance))
    change, cap, allowance = (2.0 * p.acceleration * p.step).tolist(), p.cap.tolist(), columns[-1]

    def excess(i: int, z0: float, z1: float) -> float:
        step, force, gain, scrub = (columns[k][i] for k in range(4))
        speed, half = 0.5 * (math.sqrt(z0) + math.sqrt(z1)), 0.5 / step
        pull = p.mass * (z1 - z0) * half + force + (p.c1 + p.c2 * speed) * speed
        twist = (columns[4][i + 1] * z1 - columns[4][i] * z0) * half
        power: float = speed * (max(0.0, pull) * gain + scrub + max(0.0, twist))
        return power - allowance[i]

    def braking(i: int, z: float) -> float:
        return excess(i, z, max(0.0, z - change[i]))

    reach = [0.0] * count
    reach[-1] = min(end, cap[-1])
    for i in range(count - 2, -1, -1):
        if not (allowance[i] >= 0.0):
            return i + 1, np.zeros(count)
        high = min(cap[i], reach[i + 1] + change[i])
        reach[i] = _largest(partial(braking, i), 0.0, high)
    if not (start <= reach[0] * (1.0 + 1e-12)):
        return TOO_FAST, np.zeros(count)
    squared = [start]
    for i in range(count - 1):
        z, high = squared[i], min(reach[i + 1], squared[i] + change[i])
        low = min(max(0.0, z - change[i]), high)
        squared.append(_largest(partial(excess, i, z), low, high))
    return 0, np.array(squared)


def _largest(excess: Callable[[float], float], low: float, high: float) -> float:
    """Largest z in [low, high] with excess(z) <= 0; `low` when there is none. Bisection in sqrt(z)."""
    if excess(high) <= 0.0:
        return high
    a, b = math.sqrt(low), math.sqrt(high)
    for _ in range(60):
        w = 0.5 * (a + b)
        a, b = (w, b) if excess(w * w) <= 0.0 else (a, w)
    return a * a
