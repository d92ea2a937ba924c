"""A path sampled on the surface: everything of demand and supply along it that does not depend on the speed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.locomotion.demand import resistance_force, slip
from rover_energy.mission import MissionParameters
from rover_energy.planning.path import Path
from rover_energy.power.pv import panel_normal, pv_power
from rover_energy.power.rtg import rtg_power
from rover_energy.rover import RoverParameters
from rover_energy.terrain.surface import Surface

FloatArray = NDArray[np.float64]
MIN_STATIONS = 101


@dataclass(frozen=True)
class Stations:
    """A path at n stations, with what the power model needs there. Arrays (n,) unless stated.

    distance : horizontal arc length [m]. x, y, heading, curvature : as in `Path`. arc : arc length on the surface,
    from 0 [m]. hx, hy : gradient of the height [-]. along_slope, tilt : [rad]. grade_force : m g sin(along_slope) [N].
    resistance : ground resistance at speed 0 [N]. drive_gain : bus power per mechanical drive power,
    1 / ((1 - slip) efficiency) [-]. turn : yaw rate per surface speed, signed [rad/m].
    """

    distance: FloatArray
    x: FloatArray
    y: FloatArray
    heading: FloatArray
    curvature: FloatArray
    arc: FloatArray
    hx: FloatArray
    hy: FloatArray
    along_slope: FloatArray
    tilt: FloatArray
    grade_force: FloatArray
    resistance: FloatArray
    drive_gain: FloatArray
    turn: FloatArray

    @property
    def step(self) -> FloatArray:
        """Surface lengths of the n - 1 intervals [m]."""
        return np.diff(self.arc)


def middle(values: FloatArray) -> FloatArray:
    """Means of neighbours (n - 1,): values at the middle of the intervals, to second order."""
    return 0.5 * (values[1:] + values[:-1])


def sample_path(path: Path, surface: Surface, rover: RoverParameters, gravity: float, *, grid: float = 0.01) -> Stations:
    """Sample a path at equal horizontal distances and evaluate the ground under it.

    Parameters
    ----------
    path : Path
    surface : Surface
    rover : RoverParameters
    gravity : float
        [m/s2]
    grid : float
        Distance between stations, at most [m].

    Returns
    -------
    Stations

    Raises
    ------
    InputError
        The path leaves the map, or the grid is not positive.
    """
    if not (grid > 0.0 and math.isfinite(grid)):
        raise InputError("retiming", "grid", "is not a positive number", "give the station distance in metres", grid)
    distance = np.linspace(0.0, path.length, max(MIN_STATIONS, math.ceil(path.length / grid - 1e-9) + 1))
    x, y, heading, curvature = path.at(distance)
    hx, hy = surface.gradient(x, y)
    if not (np.all(np.isfinite(hx)) and np.all(np.isfinite(hy))):
        where = int(np.argmin(np.isfinite(hx) & np.isfinite(hy)))
        raise InputError("path", "x, y", "leaves the map", "plan inside it", (float(x[where]), float(y[where])))
    tangent = hx * np.cos(heading) + hy * np.sin(heading)
    along_slope, tilt = np.arctan(tangent), np.arctan(np.hypot(hx, hy))
    stretch = np.sqrt(1.0 + tangent * tangent)  # 1 / cos(along_slope): surface length per horizontal length
    arc = np.concatenate(([0.0], np.cumsum(middle(stretch) * np.diff(distance))))
    locomotion = rover.locomotion
    return Stations(
        distance, x, y, heading, curvature, arc, hx, hy, along_slope, tilt,
        grade_force=locomotion.mass * gravity * np.sin(along_slope),
        resistance=np.broadcast_to(resistance_force(locomotion, speed=0.0, tilt=tilt, gravity=gravity), distance.shape),
        drive_gain=1.0 / ((1.0 - slip(locomotion.slip, along_slope)) * locomotion.drivetrain_efficiency),
        turn=curvature * np.sqrt(1.0 + hx * hx + hy * hy) / stretch,
    )  # fmt: skip


def supply_power(
    stations: Stations, environment: Environment, rover: RoverParameters, mission: MissionParameters, time: ArrayLike
) -> FloatArray:
    """Power of generator and array at the stations (n,) [W], passed at the times [s] given for each (or one for all)."""
    time = np.asarray(time, dtype=np.float64)
    normal = panel_normal(rover.pv, stations.hx, stations.hy, stations.heading)
    array = pv_power(
        rover.pv,
        normal=normal,
        sun_direction=environment.sun_direction(time),
        direct=environment.direct_irradiance(time),
        diffuse=environment.diffuse_irradiance(time),
        sunlit=environment.sunlit_fraction(stations.x, stations.y, time),
    )
    power: FloatArray = array + rtg_power(rover.rtg, mission.years_since_fuelling)  # no traverse is long against 87.7 years
    return power
