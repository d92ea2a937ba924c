"""What a trajectory does to the rover: motion on the surface, loads, supply and battery, by exact formulas in numpy.

Nothing here is shared with the optimiser. With u the horizontal speed, theta the heading, grad h the gradient and D2h the
Hessian of the surface, e = (cos theta, sin theta) and n = (-sin theta, cos theta):

    p = tan phi = grad h . e                     v = u sqrt(1 + p^2)
    dp/dt = e.D2h.velocity + theta' grad h . n   a = u' sqrt(1 + p^2) + u p (dp/dt) / sqrt(1 + p^2)
    w = 1/cos xi = sqrt(1 + |grad h|^2)          omega = theta' w
    dw/dt = (grad h . D2h.velocity) / w          alpha = theta'' w + theta' dw/dt
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.locomotion.demand import slip, traction_force, turn_power
from rover_energy.mission import MissionParameters
from rover_energy.planning.trajectory import State, Trajectory
from rover_energy.power.battery import charge_limit, discharge_limit, usable_capacity
from rover_energy.power.pv import array_gain, panel_normal
from rover_energy.power.rtg import rtg_power
from rover_energy.power.storage import integrate_battery
from rover_energy.rover import RoverParameters
from rover_energy.terrain.surface import Surface

Array = NDArray[np.float64]

BATTERY_STEP = 0.01  # [s]; the trapezoid's error stays below a few millijoules per second of driving


@dataclass(frozen=True)
class Motion:
    """Motion on the surface at m samples; fields (m,) in SI units.

    `hx` ... `hyy` are derivatives of the height; `grade` = tan(along_slope), `secant` = 1/cos(tilt).
    """

    state: State
    hx: Array
    hy: Array
    hxx: Array
    hxy: Array
    hyy: Array
    grade: Array
    secant: Array
    speed: Array
    acceleration: Array
    yaw_rate: Array
    yaw_acceleration: Array
    curvature: Array
    along_slope: Array
    tilt: Array


@dataclass(frozen=True)
class Supply:
    """Loads and sources at m samples, the battery left out; powers at the bus [W].

    `traction`: force of the wheels along the surface [N]; `incidence`: panel normal . Sun [-].
    """

    rtg_power: Array
    pv_power: Array
    base_power: Array
    drive_power: Array
    turn_power: Array
    inference_power: Array
    total_power: Array
    sunlit: Array
    incidence: Array
    traction: Array

    @property
    def net_power(self) -> Array:
        """Generation less demand [W]."""
        return self.rtg_power + self.pv_power - self.total_power


@dataclass(frozen=True)
class Store:
    """Battery at m samples: energy [J] and powers at the bus [W]; see `power.bus` for what the channels mean."""

    battery_energy: Array
    state_of_charge: Array
    discharge_limit: Array
    battery_power: Array
    shunted_power: Array
    lost_power: Array
    unserved_power: Array
    available_power: Array


@dataclass(frozen=True)
class Profile:
    """A plan over time; every field (m,), SI units, names as in the nomenclature.

    `battery_power` is positive when discharging; `shunted_power` is surplus that nothing takes, `lost_power` goes into
    converting to and from the store, `unserved_power` is demand that nothing meets; `sunlit` is the fraction of the Sun's
    disc that is seen; `height` is that of the surface below the rover.
    """

    t: Array
    x: Array
    y: Array
    heading: Array
    speed: Array
    acceleration: Array
    yaw_rate: Array
    yaw_acceleration: Array
    curvature: Array
    along_slope: Array
    tilt: Array
    rtg_power: Array
    pv_power: Array
    battery_power: Array
    base_power: Array
    drive_power: Array
    turn_power: Array
    inference_power: Array
    total_power: Array
    available_power: Array
    battery_energy: Array
    state_of_charge: Array
    shunted_power: Array
    lost_power: Array
    sunlit: Array
    unserved_power: Array
    height: Array

    def columns(self) -> dict[str, Array]:
        """The arrays by name, ready for `plan_file.write_profile`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def piece_grid(
    trajectory: Trajectory, step: float, breaks: ArrayLike = ()
) -> tuple[NDArray[np.intp], Array, NDArray[np.intp]]:
    """Local sample times no more than `step` apart that hold both sides of every joint.

    Parameters
    ----------
    trajectory : Trajectory
    step : float
        [s], positive.
    breaks : array_like
        Further times [s from the start] that must be samples, such as the environment's slices. They are joints too: the
        sample is taken twice, so that no interval contains one.

    Returns
    -------
    piece, local, left : (m,), (m,), (k,)
        Samples, and for each interval between neighbours the index of its left one; the right one follows it.
    """
    if not 0.0 < step < np.inf:
        raise InputError("evaluation", "step", "is not a positive time", "give seconds above 0", step)
    knots = trajectory.knots
    inner = np.asarray(breaks, dtype=float).ravel()
    inner = inner[(inner > 0.0) & (inner < knots[-1])]
    marks = np.union1d(knots, inner)
    # A break within rounding of a joint would leave an interval of no length.
    keep = np.ones(marks.size, dtype=bool)
    keep[1:-1] = np.minimum(np.diff(marks)[:-1], np.diff(marks)[1:]) > 1e-9
    keep |= np.isin(marks, knots)
    marks = marks[keep]
    owner = np.clip(np.searchsorted(knots, 0.5 * (marks[:-1] + marks[1:])) - 1, 0, trajectory.pieces - 1)
    counts = np.maximum(1, np.ceil(np.diff(marks) / step - 1e-9)).astype(int)
    span = np.repeat(np.arange(counts.size), counts + 1)
    first = np.concatenate([[0], np.cumsum(counts + 1)[:-1]])
    position = np.arange(span.size) - first[span]
    begin, end = marks[:-1] - knots[owner], marks[1:] - knots[owner]
    end = np.where(marks[1:] == knots[owner + 1], trajectory.durations[owner], end)
    local: Array = begin[span] + (end - begin)[span] * (position / counts[span])
    return owner[span], local, np.flatnonzero(position < counts[span])


def motion_on_surface(state: State, surface: Surface) -> Motion:
    """Speed along the surface, its exact derivative, yaw rate, slope and tilt of a motion in the map plane.

    Outside the surface everything is NaN.
    """
    parts = surface.partials(state.x, state.y, ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2)))
    hx, hy, hxx, hxy, hyy = (parts[key] for key in ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2)))
    cosine, sine = np.cos(state.heading), np.sin(state.heading)
    u, rate, lateral = state.speed, state.heading_rate, state.lateral_speed
    vx, vy = u * cosine - lateral * sine, u * sine + lateral * cosine
    hx_rate, hy_rate = hxx * vx + hxy * vy, hxy * vx + hyy * vy
    p = hx * cosine + hy * sine
    p_rate = hx_rate * cosine + hy_rate * sine + rate * (hy * cosine - hx * sine)
    stretch = np.sqrt(1.0 + p * p)
    square = hx * hx + hy * hy
    w = np.sqrt(1.0 + square)
    return Motion(
        state=state, hx=hx, hy=hy, hxx=hxx, hxy=hxy, hyy=hyy, grade=p, secant=w,
        speed=u * stretch,
        acceleration=state.speed_rate * stretch + u * p * p_rate / stretch,
        yaw_rate=rate * w,
        yaw_acceleration=state.heading_acceleration * w + rate * (hx * hx_rate + hy * hy_rate) / w,
        curvature=state.curvature * w / stretch,
        along_slope=np.arctan(p),
        tilt=np.arctan(np.sqrt(square)),
    )  # fmt: skip


def supply_and_demand(
    motion: Motion, environment: Environment, rover: RoverParameters, mission: MissionParameters
) -> Supply:
    """Every load and every source but the battery, at the samples of a motion."""
    locomotion = rover.locomotion
    traction = traction_force(
        locomotion, speed=motion.speed, acceleration=motion.acceleration, along_slope=motion.along_slope, tilt=motion.tilt,
        gravity=environment.gravity,
    )  # fmt: skip
    wheels = traction * motion.speed / (1.0 - slip(locomotion.slip, motion.along_slope))
    drive = np.maximum(0.0, wheels) / locomotion.drivetrain_efficiency
    turn = turn_power(locomotion, yaw_rate=motion.yaw_rate, yaw_acceleration=motion.yaw_acceleration)
    ones = np.ones_like(motion.speed)
    base, inference = rover.loads.base_power * ones, rover.loads.inference_power * ones
    sunlit, incidence, array = _array_power(motion, environment, rover)
    return Supply(
        rtg_power=rtg_power(rover.rtg, mission.years_since_fuelling) * ones,
        pv_power=array,
        base_power=base,
        drive_power=drive,
        turn_power=turn,
        inference_power=inference,
        total_power=base + drive + turn + inference,
        sunlit=sunlit,
        incidence=incidence,
        traction=traction,
    )


def _array_power(motion: Motion, environment: Environment, rover: RoverParameters) -> tuple[Array, Array, Array]:
    """Sunlit fraction, panel normal . Sun, and power of the array [W]."""
    state = motion.state
    # A scene that stands still needs one instant, and one layer of its shadows.
    still = environment.times.size == 1
    t = np.where(np.isnan(state.t[:1]), np.nan, 0.0) if still else state.t
    sun, direct, diffuse = environment.sun_direction(t), environment.direct_irradiance(t), environment.diffuse_irradiance(t)
    field = environment.sunlit_field
    if field is not None and still:
        sunlit = field.value(state.x, state.y, np.zeros(state.x.shape, dtype=np.intp))
    else:
        sunlit = environment.sunlit_fraction(state.x, state.y, state.t)
    if rover.pv.panel_pitch == 0.0:
        up = 1.0 / motion.secant
        incidence = (sun[:, 2] - motion.hx * sun[:, 0] - motion.hy * sun[:, 1]) * up
    else:
        normal = panel_normal(rover.pv, motion.hx, motion.hy, state.heading)
        incidence, up = np.sum(normal * sun, axis=-1), normal[:, 2]
    power = array_gain(rover.pv) * (direct * sunlit * np.maximum(0.0, incidence) + 0.5 * diffuse * (1.0 + up))
    return sunlit, incidence, power


def run_battery(
    supply: Supply, t: Array, left: NDArray[np.intp], rover: RoverParameters, mission: MissionParameters
) -> tuple[Store, Array]:
    """Battery along consecutive intervals, and the closure error of each (k,) [J].

    The net power of an interval is the mean of its ends (trapezoid); within it the battery's law is solved exactly. It may
    go below the floor down to empty, so that the profile shows by how much.

    Parameters
    ----------
    supply : Supply
        At m samples.
    t : (m,)
        Times [s]; equal times are the two sides of a joint.
    left : (k,)
        Left samples of the intervals.
    """
    battery, use = rover.battery, mission.use_battery
    net = supply.net_power
    steps = t[left + 1] - t[left]
    mean = 0.5 * (net[left] + net[left + 1])
    capacity = usable_capacity(battery)
    # What exceeds the limits at any state of charge goes past the battery; without it the steps are solved in one sweep.
    ask = np.clip(mean, -float(discharge_limit(battery, 1.0)), float(charge_limit(battery, 0.0)))
    record = integrate_battery(battery, mission.state_of_charge * capacity, ask, steps, allow_discharge=use, keep_floor=False)
    index = np.concatenate([[0], np.cumsum(np.diff(t) > 0.0)]) if left.size else np.zeros(t.size, dtype=int)
    energy = record.energy[index] + 0.0 * net
    charge = energy / capacity if capacity > 0.0 else 0.0 * energy
    give = discharge_limit(battery, charge) if use else 0.0 * energy
    deficit, surplus = np.maximum(0.0, -net), np.maximum(0.0, net)
    given = np.minimum(deficit, give)
    taken = np.minimum(surplus, charge_limit(battery, charge))
    # generated - consumed = net + unserved
    unserved = record.unserved_power + np.maximum(0.0, ask - mean)
    shunted = record.shunted_power + np.maximum(0.0, mean - ask)
    residual = (mean + unserved - shunted - record.lost_power) * steps - np.diff(record.energy)
    available = supply.rtg_power + supply.pv_power + give
    if mission.power_limit is not None:
        available = np.minimum(available, mission.power_limit)
    store = Store(
        battery_energy=energy, state_of_charge=charge, discharge_limit=give, battery_power=given - taken,
        shunted_power=surplus - taken, unserved_power=deficit - given, available_power=available,
        lost_power=given * (1.0 / battery.discharge_efficiency - 1.0) + taken * (1.0 - battery.charge_efficiency),
    )  # fmt: skip
    return store, residual


def evaluate_plan(
    trajectory: Trajectory,
    surface: Surface,
    environment: Environment,
    rover: RoverParameters,
    mission: MissionParameters,
    times: ArrayLike | None = None,
) -> Profile:
    """Everything a plan does, at the times asked for.

    Parameters
    ----------
    trajectory, surface, environment, rover, mission
        The plan and its world; the battery starts at `mission.state_of_charge` at time 0.
    times : (m,) array_like, optional
        Strictly increasing [s from the start], within the trajectory; default: every 10 ms, the joints and the end.

    Returns
    -------
    Profile
        NaN where the rover is off the map or the environment does not reach.

    Raises
    ------
    InputError
        When the times are not increasing or leave the trajectory.

    Notes
    -----
    The battery is integrated on a grid of 10 ms joined with `times`, whatever `times` are, so the energy does not depend on
    the sampling; its error against the exact integral is below 1e-4 J per second for motions of a rover. A time on a
    joint is evaluated on its later side.
    """
    piece, local, _ = piece_grid(trajectory, BATTERY_STEP, environment.times)
    grid = np.unique(np.clip(trajectory.knots[piece] + local, 0.0, trajectory.duration))
    grid = grid[np.concatenate([[True], np.diff(grid) > 1e-12])]
    if times is None:
        wanted = grid
    else:
        wanted = np.asarray(times, dtype=float)
        if wanted.ndim != 1 or not np.all(np.diff(wanted) > 0.0):
            raise InputError("evaluation", "times", "are not strictly increasing", "give an increasing row of seconds")
        if not (wanted.size and wanted[0] >= -1e-9 and wanted[-1] <= trajectory.duration + 1e-9):
            raise InputError("evaluation", "times", "leave the trajectory", f"stay within 0 .. {trajectory.duration:.6g} s")
        wanted = np.clip(wanted, 0.0, trajectory.duration)
        grid = np.union1d(grid, wanted)
    motion = motion_on_surface(trajectory.evaluate(grid), surface)
    supply = supply_and_demand(motion, environment, rover, mission)
    store, _ = run_battery(supply, grid, np.arange(grid.size - 1), rover, mission)
    pick = np.searchsorted(grid, wanted)
    found = {**vars(motion.state), **vars(motion), **vars(supply), **vars(store)}
    names = [field.name for field in fields(Profile) if field.name != "height"]
    height = surface.height(motion.state.x[pick], motion.state.y[pick])
    return Profile(**{name: found[name][pick] for name in names}, height=height)
