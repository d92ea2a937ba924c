"""A plan sampled once, so that the controller finds everything about any instant of it in microseconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.control.stance import climb_along, stance_at
from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.locomotion.demand import resistance_force, slip
from rover_energy.mission import MissionParameters
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.trajectory import Trajectory
from rover_energy.power.pv import panel_normal, pv_power
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

Array = NDArray[np.float64]

STEP = 0.05  # [s] between samples; linear interpolation then errs by some 1e-4 m/s


class Point(NamedTuple):
    """The plan at one instant, in the order of the rows of `Reference.table`; SI units.

    grade : gravity * sin(along_slope) [m/s2]. resistance : at rest [N]. slip : by the model [-]. curvature : yaw rate over
    speed, its limit at rest [1/m]. supply_power : generator and array [W]. total_power : all loads [W]. arc : travelled [m].
    """

    x: float
    y: float
    heading: float
    speed: float
    acceleration: float
    yaw_rate: float
    yaw_acceleration: float
    curvature: float
    grade: float
    resistance: float
    slip: float
    supply_power: float
    total_power: float
    battery_energy: float
    arc: float


FIELDS = Point._fields
ROW = {name: index for index, name in enumerate(FIELDS)}


@dataclass(frozen=True, eq=False)
class Reference:
    """A plan at equidistant times.

    table : (fields, n), rows in the order of `Point`. step : [s]. duration : [s].
    """

    table: Array
    step: float
    duration: float

    @classmethod
    def sample(
        cls,
        trajectory: Trajectory,
        surface: Surface,
        environment: Environment,
        rover: RoverParameters,
        mission: MissionParameters,
        *,
        terrain: Terrain | None = None,
        wheels: ArrayLike | None = None,
        step: float = STEP,
    ) -> Reference:
        """Evaluate a plan in its world; see `planning.evaluation`.

        With `terrain` and `wheels` (six places in the body frame [m], see `stance`), supply, grade and slip are those of the
        rover on the raw terrain, which is what the wheels and the array will meet, instead of those planned on the surface.

        Raises InputError when the plan leaves the map or the time that the environment covers.
        """
        count = max(2, math.ceil(trajectory.duration / step))
        times = np.linspace(0.0, trajectory.duration, count + 1)
        profile = evaluate_plan(trajectory, surface, environment, rover, mission, times)
        stretch = 0.5 * (profile.speed[1:] + profile.speed[:-1]) * np.diff(times)
        rows = {
            **profile.columns(),
            "heading": np.unwrap(profile.heading),
            "grade": environment.gravity * np.sin(profile.along_slope),
            "resistance": resistance_force(rover.locomotion, speed=0.0, tilt=profile.tilt, gravity=environment.gravity)
            + 0.0 * times,
            "slip": slip(rover.locomotion.slip, profile.along_slope),
            "supply_power": profile.rtg_power + profile.pv_power,
            "arc": np.concatenate(([0.0], np.cumsum(stretch))),
        }
        if terrain is not None and wheels is not None:
            rows |= _on_raw_ground(rows, terrain, wheels, environment, rover)
        curvature = np.where(np.isfinite(profile.curvature), profile.curvature, 0.0)
        rows["curvature"] = np.clip(curvature, -2.0 * rover.limits.curvature, 2.0 * rover.limits.curvature)
        table = np.array([rows[name] for name in FIELDS])
        if not np.all(np.isfinite(table)):
            where = float(times[int(np.argmin(np.isfinite(table).all(axis=0)))])
            problem = f"leaves the map or the light's time span at {where:.2f} s"
            raise InputError("plan", "trajectory", problem, "plan again", where)
        return cls(table, float(times[1]), trajectory.duration)

    def at(self, time: float) -> Point:
        """The plan at a time [s], held beyond both ends."""
        place = min(max(time / self.step, 0.0), self.table.shape[1] - 1.0)
        index = min(int(place), self.table.shape[1] - 2)
        share = place - index
        pair = self.table[:, index : index + 2]
        return Point(*(pair[:, 0] + share * (pair[:, 1] - pair[:, 0])).tolist())

    def ahead(self, time: float, seconds: float, spacing: float) -> tuple[Array, Array]:
        """Samples from a time on: times after it (m,) [s] and columns (fields, m), nearest samples about `spacing` apart."""
        stride = max(1, round(spacing / self.step))
        first = min(max(int(time / self.step), 0), self.table.shape[1] - 1)
        columns = self.table[:, first : first + int(seconds / self.step) + 1 : stride]
        after = np.maximum(0.0, (first + stride * np.arange(columns.shape[1])) * self.step - time)
        return after, columns


def _on_raw_ground(
    rows: dict[str, Array], terrain: Terrain, wheels: ArrayLike, environment: Environment, rover: RoverParameters
) -> dict[str, Array]:
    """Grade, slip and supply where the wheels stand on the terrain's own nodes."""
    stance = stance_at(terrain, wheels, rows["x"], rows["y"], rows["heading"])
    normal = panel_normal(rover.pv, *stance.gradient(rows["heading"]), rows["heading"])
    array = pv_power(
        rover.pv, normal=normal, sun_direction=environment.sun_direction(rows["t"]),
        direct=environment.direct_irradiance(rows["t"]), diffuse=environment.diffuse_irradiance(rows["t"]),
        sunlit=rows["sunlit"],
    )  # fmt: skip
    return {
        "grade": environment.gravity * climb_along(rows["arc"], stance.height),
        "slip": slip(rover.locomotion.slip, np.arctan(stance.forward)),
        "supply_power": rows["rtg_power"] + array,
    }
