"""Time-optimal speed along a given path: the fastest drive that keeps every limit of motion and of power.

With z the square of the surface speed and l the arc length on the surface, the acceleration is a = (dz/dl)/2, and speed,
acceleration, yaw rate and power bound z and dz/dl at each place. The fastest profile is then found in two passes
(Bobrow, Dubowsky & Gibson 1985, doi:10.1177/027836498500400301; as reachability analysis: Pham & Pham 2018,
doi:10.1109/TRO.2018.2819195): backwards, the largest z from which the rest can be driven; forwards, the largest reachable
one. The power here is the whole model of demand, with m a v, slip and the yaw inertia. The jerk is not bounded, so the
duration is the least that any drive along the path can have, up to the discretisation, which is of second order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError, RoverEnergyError
from rover_energy.mission import MissionParameters
from rover_energy.planning.path import Path
from rover_energy.planning.retiming_kernel import TOO_FAST, FloatArray, SpeedProblem
from rover_energy.planning.stations import Stations, middle, sample_path, supply_power
from rover_energy.power.battery import discharge_limit, floor_energy, usable_capacity
from rover_energy.power.storage import integrate_battery
from rover_energy.rover import RoverParameters
from rover_energy.terrain.surface import Surface

MAX_PASSES = 10
SETTLED = 0.01  # [W] by which the available power may have been over-stated in the last pass
BATTERY_BLOCK = 8  # intervals over which the net power is averaged for the battery: 8 cm at the default grid
SLACK = 0.5  # [W] by which it may have been under-stated before another pass is worth its time


class TimingError(RoverEnergyError):
    """No drive along the path keeps the limits. `reason` is one of "power", "horizon", "start_speed", "floor",
    "energy_budget", "deadline", "unsettled"; `missing` says by how much, in `unit`, where that is known.
    """

    def __init__(self, reason: str, message: str, *, missing: float | None = None, unit: str = "") -> None:
        super().__init__(f"retiming: {message}")
        self.reason, self.missing, self.unit = reason, missing, unit


class Binding(IntEnum):
    """The limit that holds the speed in an interval."""

    POWER = 0
    ACCELERATION = 1
    BRAKING = 2
    SPEED = 3
    YAW_RATE = 4


@dataclass(frozen=True)
class Timing:
    """A drive along a path over n stations.

    stations : Stations. time : (n,) [s] from the start of the drive. speed : (n,) along the surface [m/s].
    Constant or mean in each of the n - 1 intervals: acceleration [m/s2]; total_power, available_power, supply_power
    (generator and array) [W]; binding, values of `Binding`.
    battery_energy : (n,) [J]. shortfall : energy that nothing could serve [J]. floor : least allowed battery_energy [J].
    motion_energy, consumed_energy : by driving and turning, and by all loads [J].
    """

    stations: Stations
    time: FloatArray
    speed: FloatArray
    acceleration: FloatArray
    total_power: FloatArray
    available_power: FloatArray
    supply_power: FloatArray
    binding: NDArray[np.int64]
    battery_energy: FloatArray
    shortfall: float
    floor: float
    motion_energy: float
    consumed_energy: float

    @property
    def duration(self) -> float:
        """[s]"""
        return float(self.time[-1])

    @property
    def least_battery_margin(self) -> float:
        """Least battery energy above the floor [J]; negative when the drive would pass it."""
        return float(self.battery_energy.min()) - self.floor

    def at(self, time: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Horizontal arc length [m] and horizontal speed [m/s] at times (...) [s], held beyond both ends."""
        t = np.clip(np.asarray(time, dtype=np.float64), 0.0, self.duration)
        i = np.clip(np.searchsorted(self.time, t, side="right") - 1, 0, len(self.time) - 2)
        local, distance = t - self.time[i], self.stations.distance
        level = (distance[i + 1] - distance[i]) / (self.stations.arc[i + 1] - self.stations.arc[i])
        travelled = (self.speed[i] + 0.5 * self.acceleration[i] * local) * local
        return distance[i] + level * travelled, level * (self.speed[i] + self.acceleration[i] * local)


@dataclass(frozen=True)
class Drive:
    """What is retimed: the path on its ground and everything that limits the drive along it.

    start_time, start_speed, end_speed : [s from the start of the traverse], [m/s] along the surface.
    energy : battery energy at the start [J]. speed_cap, power_cap, discharge_cap : further limits on the speed [m/s], the
    total load [W] and the battery's discharge [W].
    """

    stations: Stations
    environment: Environment
    rover: RoverParameters
    mission: MissionParameters
    energy: float
    start_time: float = 0.0
    start_speed: float = 0.0
    end_speed: float = 0.0
    speed_cap: float = math.inf
    power_cap: float = math.inf
    discharge_cap: float = math.inf
    compiled: bool = True

    def __post_init__(self) -> None:
        names = ("energy", "start_time", "start_speed", "end_speed", "speed_cap", "power_cap", "discharge_cap")
        for name in names:
            if not (getattr(self, name) >= 0.0):
                raise InputError("retiming", name, "is not a number from 0 up", "give it in SI units", getattr(self, name))

    @property
    def constant_load(self) -> float:
        """Base and inference power [W]."""
        return self.rover.loads.base_power + self.rover.loads.inference_power

    def supply(self, time: ArrayLike) -> FloatArray:
        """Generator and array at the stations (n,) [W], for times since the start of the drive [s]."""
        return supply_power(self.stations, self.environment, self.rover, self.mission, self.start_time + np.asarray(time))

    def available(self, supply: FloatArray, battery_energy: ArrayLike) -> FloatArray:
        """What the bus can give at the stations (n,) [W]."""
        power = supply
        if self.mission.use_battery:
            capacity = usable_capacity(self.rover.battery)
            charge = np.asarray(battery_energy) / capacity if capacity > 0.0 else 0.0
            power = supply + np.minimum(discharge_limit(self.rover.battery, charge), self.discharge_cap)
        limit = math.inf if self.mission.power_limit is None else self.mission.power_limit
        return np.minimum(power, min(limit, self.power_cap))

    def problem(self) -> SpeedProblem:
        """The speed problem, as yet with no power allowed."""
        st, locomotion, limits = self.stations, self.rover.locomotion, self.rover.limits
        efficiency, turn = locomotion.drivetrain_efficiency, np.abs(st.turn)
        by_yaw = limits.yaw_rate / np.maximum(turn, 1e-12)
        cap = np.minimum(min(limits.speed, self.speed_cap), by_yaw)
        return SpeedProblem(
            step=st.step,
            force=middle(st.grade_force + st.resistance),
            gain=middle(st.drive_gain),
            scrub=locomotion.turn_moment / efficiency * middle(turn),
            spin=locomotion.yaw_inertia / efficiency * turn * turn,
            allowance=np.zeros(len(cap) - 1),
            cap=cap * cap,
            mass=locomotion.mass,
            c1=locomotion.resistance.c1,
            c2=locomotion.resistance.c2,
            acceleration=limits.acceleration,
        )


def retime(
    path: Path,
    surface: Surface,
    environment: Environment,
    rover: RoverParameters,
    mission: MissionParameters,
    *,
    grid: float = 0.01,
    start_time: float = 0.0,
    start_speed: float = 0.0,
    end_speed: float = 0.0,
    speed_cap: float = math.inf,
    power_cap: float = math.inf,
) -> Timing:
    """The fastest drive along a path that keeps the limits of speed, acceleration, yaw rate and power.

    Power: base, inference, driving (with m a v and slip) and turning (with I alpha omega) together stay at or below
    generator + array + what the battery can give at its state of charge, and below the mission's power limit. The
    battery's floor, the energy budget and the deadline are not limits here: see `energy_timing.slow_for_energy`.

    Parameters
    ----------
    path : Path
        Geometry, map frame. Its curvature, slope and tilt are taken as they are.
    surface, environment, rover, mission
        Ground, light and gravity, constants, supplies at the start.
    grid : float
        Distance between stations [m].
    start_time : float
        [s] from the start of the traverse.
    start_speed, end_speed : float
        Along the surface [m/s]; the end may be slower.
    speed_cap : float
        Further limit on the speed along the surface [m/s].
    power_cap : float
        Further limit on the total load [W].

    Returns
    -------
    Timing

    Raises
    ------
    InputError
        The path is unusable or leaves the map, or a speed is negative or NaN.
    TimingError
        The loads at rest exceed what is available somewhere, or the start is too fast.

    Notes
    -----
    The available power depends on when the rover passes and on its state of charge there; both come from the pass before,
    until the power used is at most 0.01 W above the power found (and not far below it). Supplies are taken at the middle
    of each interval.
    """
    task = drive(path, surface, environment, rover, mission, grid=grid)
    return solve(replace(
        task, start_time=start_time, start_speed=start_speed, end_speed=end_speed, speed_cap=speed_cap, power_cap=power_cap,
    ))  # fmt: skip


def drive(
    path: Path,
    surface: Surface,
    environment: Environment,
    rover: RoverParameters,
    mission: MissionParameters,
    *,
    grid: float = 0.01,
) -> Drive:
    """A `Drive` on a freshly sampled path, from rest to rest, at the state of charge of `mission`; arguments as in `retime`."""
    stations = sample_path(path, surface, rover, environment.gravity, grid=grid)
    return Drive(stations, environment, rover, mission, mission.state_of_charge * usable_capacity(rover.battery))


def solve(task: Drive) -> Timing:
    """The fastest timing of a `Drive`; as `retime`."""
    problem = task.problem()
    supply = task.supply(0.0)
    available = task.available(supply, task.energy)
    for count in range(MAX_PASSES):
        timing = solve_once(task, problem, supply, available)
        if task.environment.times.size > 1:
            supply = task.supply(timing.time)
        fresh = task.available(supply, timing.battery_energy)
        over, under = float(np.max(available - fresh)), float(np.max(fresh - available))
        if over <= SETTLED and (under <= SLACK or count >= 3):
            return timing
        available = fresh if count < 3 else np.minimum(available, fresh)  # from then on only downwards: it must settle
    raise TimingError("unsettled", f"the power available along the path did not settle in {MAX_PASSES} passes")


def solve_once(task: Drive, problem: SpeedProblem, supply: FloatArray, available: FloatArray) -> Timing:
    """The fastest timing for given supply and available power at the stations (n,) [W]. Raises TimingError."""
    allowed = middle(available)
    problem = replace(problem, allowance=allowed - task.constant_load)
    status, squared = problem.solve(task.start_speed**2, task.end_speed**2, compiled=task.compiled)
    if status == TOO_FAST:
        raise TimingError("start_speed", f"the limits ahead do not allow the start speed {task.start_speed:g} m/s")
    if status > 0:
        raise _lack(task, allowed)
    speed = np.sqrt(squared)
    mean = middle(speed)
    if not (mean.min() > 0.0):
        where = float(task.stations.distance[int(np.argmin(mean))])
        raise TimingError("power", f"no power is left to drive at {where:.2f} m along the path; wait for light or shed loads")
    duration = problem.step / mean
    motion = problem.motion_power(squared)
    total = motion + task.constant_load
    time = np.concatenate(([0.0], np.cumsum(duration)))
    supplied = middle(supply)
    stored, shortfall = _battery(task, time, (supplied - total) * duration)
    acceleration = np.diff(squared) / (2.0 * problem.step)
    return Timing(
        stations=task.stations,
        time=time,
        speed=speed,
        acceleration=acceleration,
        total_power=total,
        available_power=allowed,
        supply_power=supplied,
        binding=_binding(task, problem, squared, acceleration, motion),
        battery_energy=stored,
        shortfall=shortfall,
        floor=floor_energy(task.rover.battery),
        motion_energy=float(motion @ duration),
        consumed_energy=float(total @ duration),
    )


def _battery(task: Drive, time: FloatArray, surplus: FloatArray) -> tuple[FloatArray, float]:
    """Stored energy at the times (n,) and the energy not served [J], for the net energy of each interval (n - 1,) [J]."""
    first = np.arange(0, len(surplus), BATTERY_BLOCK)
    ends = np.append(time[first], time[-1])
    length = np.diff(ends)
    record = integrate_battery(
        task.rover.battery, task.energy, np.add.reduceat(surplus, first) / length, length,
        allow_discharge=task.mission.use_battery, keep_floor=False,
    )  # fmt: skip
    return np.interp(time, ends, record.energy), record.shortfall


def _lack(task: Drive, allowed: FloatArray) -> TimingError:
    first = int(np.argmin(allowed >= task.constant_load))
    available, where = float(allowed[first]), float(task.stations.distance[first])
    if math.isnan(available):
        return TimingError("horizon", f"the supply is not known when the rover would be {where:.2f} m along the path")
    missing = task.constant_load - float(np.min(allowed))
    return TimingError(
        "power",
        f"{available:.2f} W are available at {where:.2f} m along the path, less than the constant loads of"
        f" {task.constant_load:.2f} W; shed {missing:.2f} W or more, or choose another time or way",
        missing=missing, unit="W",
    )  # fmt: skip


def _binding(
    task: Drive, problem: SpeedProblem, squared: FloatArray, acceleration: FloatArray, motion: FloatArray
) -> NDArray[np.int64]:
    """For each interval the limit that holds; what none holds is braking for a limit ahead."""
    limit = problem.acceleration * (1.0 - 1e-9)
    capped = squared[1:] >= problem.cap[1:] * (1.0 - 1e-9)
    by_speed = problem.cap[1:] >= min(task.rover.limits.speed, task.speed_cap) ** 2 * (1.0 - 1e-9)
    by_power = motion >= problem.allowance - 1e-6 * (1.0 + np.abs(problem.allowance))
    return np.select(
        [by_power, acceleration >= limit, acceleration <= -limit, capped & by_speed, capped],
        [Binding.POWER, Binding.ACCELERATION, Binding.BRAKING, Binding.SPEED, Binding.YAW_RATE],
        Binding.BRAKING,
    ).astype(np.int64)
