"""From poses, limits and a guess to the vectors of the nonlinear programme, and back to a trajectory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter1d

from rover_energy.errors import InputError
from rover_energy.planning.model import ENERGY_SCALE, POWER_SCALE, ROWS
from rover_energy.planning.path import Path
from rover_energy.planning.retiming import Timing
from rover_energy.planning.stage import CONTROLS, SAMPLES, Variant
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.world import HELD_BACK, World
from rover_energy.power.battery import floor_energy, usable_capacity

PIECES_PER_METRE = 1.6
DRIVING_PIECES_PER_METRE = 1.8  # of a rover that drives: it has little time to mend what overshoots between samples
SECONDS_PER_PIECE = 1.4  # at most, at the guess: where power is short the drive is slow, and long pieces cannot follow the ground
LEAST_PIECES, MOST_PIECES = 12, 1200
#: Lengths of the first pieces against the rest (mirrored at the end): the speed rises within few metres.
GRADING = (0.3, 0.3, 0.4, 0.5, 0.7)
POWER_MARGIN = 0.10  # [W] kept from the start, about what the certificate asks between its samples
#: Margins kept from the start by a rover that drives, in each row's scale: it has no time for a second solve, and cannot
#: stretch time to mend what overshoots between samples.
MOVING_MARGINS = {
    "power_left": 0.6 / POWER_SCALE, "power_right": 0.6 / POWER_SCALE, "speed": 0.0025, "acceleration": 0.01, "yaw_rate": 0.015,
    "curvature_left": 0.004, "curvature_right": 0.004, "along_slope": 4e-4, "tilt": 4e-4,
}  # fmt: skip
CHOSEN = ("power_left", "power_right", "acceleration")  # rows that a rover decides even at the instant of a given motion
ENERGY_MARGIN = 2.0  # [J] kept above the floor for the quadrature
DEADLINE_SHARE = 0.998  # of the time allowed
LEAST_UNIT = 0.02  # [s]
END_YAW_ACCELERATION = 1e-5  # [rad/s2] at the goal: it stops straight, for the same reason as it starts so
MOVING = 0.05  # [m/s] from which on a rover counts as driving, and its first pieces need not be short


@dataclass(frozen=True)
class Motion:
    """Where the traverse begins: pose, and for a rover that is driving its speeds.

    `speed` is horizontal [m/s], `heading_rate` [rad/s], `battery_energy` [J]; `time` [s] from the mission's start, and
    `spent_energy` what all loads have consumed since [J], count against its deadline and its energy budget.

    Raises InputError for a value that is not finite or is negative where it cannot be.
    """

    x: float
    y: float
    heading: float
    speed: float = 0.0  # horizontal [m/s]
    heading_rate: float = 0.0
    battery_energy: float | None = None  # None: from the mission's state of charge
    time: float = 0.0
    spent_energy: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is None and name == "battery_energy":
                continue
            signed = name in ("x", "y", "heading", "heading_rate")
            if not (np.isfinite(value) and (signed or value >= 0.0)):
                wanted = "a finite number" if signed else "a finite number from 0 up"
                raise InputError("start", name, f"is not {wanted}", "read the state of the rover again", value)

    @property
    def pose(self) -> tuple[float, float, float]:
        return self.x, self.y, self.heading


@dataclass(frozen=True, eq=False)
class Programme:
    """One nonlinear programme: guess `x`, parameters and bounds in the layout of `oracle.c`."""

    variant: Variant
    pieces: int
    x: Any
    parameters: Any
    lower_x: Any
    upper_x: Any
    lower_g: Any
    upper_g: Any
    held: Any = None  # by how much bounds are drawn in after they were opened (`holding_back`)
    eased: Any = None  # by how much bounds stand nearer to the limits than a driving rover's margins ask for
    reference: Any = None  # the first guess, to which bounds of place may open (`opened_to`); None: `x`

    def with_guess(self, x: Any) -> Programme:
        """The same from another guess; the reference stays."""
        return replace(self, x=x, reference=self.x if self.reference is None else self.reference)

    def easing(self, amount: Any) -> Programme:
        """The same with bounds wider by `amount`, of the shape of `lower_g`, at the cost of a driving rover's margins."""
        eased = amount if self.eased is None else self.eased + amount
        return replace(self, lower_g=self.lower_g - amount, upper_g=self.upper_g + amount, eased=eased)

    @property
    def uneased(self) -> Programme:
        """The same with its margins whole."""
        return self if self.eased is None else replace(self.easing(-self.eased), eased=None)

    def keeping_energy(self, slack: float) -> Programme:
        """The same with `slack` [J] more above the floor and below the budget."""
        lower, upper, step = self.lower_x.copy(), self.upper_x.copy(), self.variant.states + CONTROLS
        if self.variant.battery:
            lower[8 + step :: step] += slack / ENERGY_SCALE
        if self.variant.budget:
            upper[-1] -= slack / ENERGY_SCALE
        return replace(self, lower_x=lower, upper_x=upper)

    def holding_back(self, names: tuple[str, ...], samples: Any, amount: float) -> Programme:
        """The same with the bounds of some rows drawn in by `amount` at some samples, counted over all pieces."""
        rows = self.limit_rows.reshape(-1, len(ROWS))[samples]
        held = np.zeros_like(self.lower_g) if self.held is None else self.held.copy()
        for name in names:
            held[rows[:, ROWS.index(name)]] += amount
        return replace(self, held=held)

    @property
    def limit_rows(self) -> Any:
        """(pieces, SAMPLES * rows) indices of the limits within the constraints."""
        return limit_rows(self.variant, self.pieces)


@lru_cache(maxsize=64)
def limit_rows(variant: Variant, pieces: int) -> Any:
    """(pieces, SAMPLES * rows) indices of the limit rows; see the layout in `oracle.c`."""
    nx, limits = variant.states, SAMPLES * len(ROWS)
    first = np.arange(pieces) * (nx + limits) + nx + (nx - 1)
    first[0] = nx + nx - 1
    return first[:, None] + np.arange(limits)


def piece_count(length: float, duration: float, *, per_metre: float = PIECES_PER_METRE) -> int:
    """Number of pieces for a path [m] driven in a time [s], an even one so that few solvers are made."""
    wanted = max(length * per_metre, duration / SECONDS_PER_PIECE)
    return int(np.clip(2 * np.ceil(wanted / 2.0), LEAST_PIECES, MOST_PIECES))


def duration_ratios(pieces: int, *, moving: bool = False) -> Any:
    """(pieces,) lengths of the pieces in units of the common duration; a rover that is moving needs no fine start."""
    ratios = np.ones(pieces)
    ramp = np.array(GRADING)
    if not moving:
        ratios[: len(ramp)] = ramp
    ratios[-len(ramp) :] = ramp[::-1]
    return ratios


def build_programme(world: World, start: Motion, path: Path, timing: Timing, *, pieces: int | None = None) -> Programme:
    """The programme for driving from `start` to the end of `path`, begun at the given timing of it."""
    pieces = pieces or piece_count(path.length, timing.duration)
    variant = variant_of(world)
    ratios = duration_ratios(pieces, moving=start.speed > MOVING)
    guess = guess_vector(world, path, timing, ratios, variant)
    goal = (float(path.x[-1]), float(path.y[-1]), float(path.heading[-1]))
    return _programme(world, start, float(path.heading[0]), goal, ratios, guess)


def continue_programme(world: World, start: Motion, trajectory: Trajectory, elapsed: float) -> Programme:
    """The programme for driving on from `start` to the end of a trajectory of which `elapsed` [s] are driven."""
    rest = trajectory.evaluate(np.linspace(elapsed, trajectory.duration, 50))
    length = float(np.trapezoid(rest.speed, rest.t))
    pieces = piece_count(length, trajectory.duration - elapsed, per_metre=DRIVING_PIECES_PER_METRE)
    ratios = duration_ratios(pieces, moving=start.speed > MOVING)
    guess = guess_from_trajectory(world, start, trajectory, elapsed, ratios)
    goal = trajectory.end_pose
    turns = round((start.heading - float(rest.heading[0])) / (2.0 * np.pi))  # stay on the trajectory's branch
    return _programme(world, start, start.heading - 2.0 * np.pi * turns, goal, ratios, guess)


def variant_of(world: World) -> Variant:
    """The states that the mission needs."""
    battery = world.mission.use_battery and usable_capacity(world.rover.battery) > 0.0
    return Variant(battery=battery, budget=world.mission.energy_budget is not None)


def _programme(
    world: World, start: Motion, heading: float, goal: tuple[float, float, float], ratios: Any, guess: Any
) -> Programme:
    variant, pieces = variant_of(world), len(ratios)
    elapsed = np.concatenate(([0.0], np.cumsum(ratios)))
    parameters = np.concatenate([[pieces, start.time], world.constants, np.column_stack([ratios, elapsed[:-1]]).ravel()])
    lower_g, upper_g = _constraint_bounds(world, variant, pieces, start, heading, goal)
    rows = limit_rows(variant, pieces).reshape(-1, len(ROWS))
    for name, margin in kept_margins(start).items():
        held = rows[0 if start.speed > 0.0 and name in CHOSEN else 1 :, ROWS.index(name)]
        upper_g[held] -= margin
        lower_g[held] += margin  # minus infinity stays
    lower_x, upper_x = _variable_bounds(world, variant, pieces, float(elapsed[-1]))
    return Programme(variant, pieces, guess, parameters, lower_x, upper_x, lower_g, upper_g)


def start_energy(world: World, start: Motion) -> float:
    """Stored energy at the start [J], no more than the battery holds."""
    if start.battery_energy is not None:
        return min(start.battery_energy, usable_capacity(world.rover.battery))
    return world.mission.state_of_charge * usable_capacity(world.rover.battery)


def guess_from_trajectory(world: World, start: Motion, trajectory: Trajectory, elapsed: float, ratios: Any) -> Any:
    """Variables from the rest of a trajectory; the stored energy is taken as constant."""
    variant = variant_of(world)
    knots = np.concatenate(([0.0], np.cumsum(ratios)))
    unit = (trajectory.duration - elapsed) / knots[-1]
    at = trajectory.evaluate(np.minimum(elapsed + unit * knots, trajectory.duration))
    states = np.zeros((len(knots), variant.states))
    columns = (at.x, at.y, at.heading, at.heading_rate, at.heading_acceleration, at.speed, at.speed_rate)
    states[:, :7], states[:, 7] = np.column_stack(columns), unit
    if variant.battery:
        states[:, 8] = start_energy(world, start) / ENERGY_SCALE
    return _with_controls(states, unit * knots)


def _with_controls(states: Any, t: Any) -> Any:
    controls = np.diff(states[:, [4, 6]], axis=0) / np.diff(t)[:, None]
    return np.concatenate([np.hstack([states[:-1], controls]).ravel(), states[-1]])


def guess_vector(world: World, path: Path, timing: Timing, ratios: Any, variant: Variant) -> Any:
    """Variables from a timed path: knots at the pieces' joints, derivatives by differences between them."""
    knots = np.concatenate(([0.0], np.cumsum(ratios)))
    unit = timing.duration / knots[-1]
    t = unit * knots
    distance, speed = timing.at(t)
    x, y, heading, curvature = path.at(np.clip(distance, 0.0, path.length))
    states = np.zeros((len(t), variant.states))
    states[:, 0], states[:, 1], states[:, 2], states[:, 5], states[:, 7] = x, y, heading, speed, unit
    states[:, 3] = curvature * speed
    states[:, 4] = np.gradient(states[:, 3], t)
    states[:, 6] = np.gradient(speed, t)
    if variant.battery:
        states[:, 8] = np.interp(t, timing.time, timing.battery_energy) / ENERGY_SCALE
    if variant.budget:
        spent = np.concatenate(([0.0], np.cumsum(timing.total_power * np.diff(timing.time))))
        states[:, -1] = np.interp(t, timing.time, spent) / ENERGY_SCALE
    return _with_controls(states, t)


def kept_margins(start: Motion) -> dict[str, float]:
    """By how much rows stay below their bounds from the start."""
    return MOVING_MARGINS if start.speed > 0.0 else dict.fromkeys(("power_left", "power_right"), POWER_MARGIN / POWER_SCALE)


def _constraint_bounds(
    world: World, variant: Variant, pieces: int, start: Motion, heading: float, goal: tuple[float, float, float]
) -> tuple[Any, Any]:
    nx, limits = variant.states, world.rover.limits
    total = nx * pieces + (nx - 1) + SAMPLES * len(ROWS) * pieces + 5
    lower, upper = np.zeros(total), np.zeros(total)
    low, high = _row_bounds(limits.along_slope, limits.tilt)
    rows = limit_rows(variant, pieces).reshape(pieces, SAMPLES, len(ROWS))
    lower[rows], upper[rows] = low, high
    # what the given state decides is the certificate's matter: at rest curvature rows read 0 <= 0, which no interior point meets
    given = [index for index, name in enumerate(ROWS) if name not in (CHOSEN if start.speed > 0.0 else ())]
    upper[rows[0, 0, given]] = np.where(np.isfinite(high), high + 1.0, high)[given]
    lower[rows[0, 0, given]] = np.where(np.isfinite(low), low - 1.0, low)[given]
    free = world.rover.limits.acceleration * 2.0
    energies = _start_energies(world, start, variant)
    state = np.array([start.x, start.y, heading, start.heading_rate, 0.0, start.speed, 0.0, *energies])
    slack = np.zeros(nx - 1)
    # the first accelerations are the planner's choice; from rest it starts straight, for there yaw rate over speed is their ratio
    slack[[4, 6]] = 1.0 if start.speed > 0.0 else 0.0, free
    lower[nx : nx + nx - 1], upper[nx : nx + nx - 1] = state - slack, state + slack
    end = np.array([goal[0], goal[1], goal[2], 0.0, 0.0])
    lower[-5:], upper[-5:] = end, end
    return lower, upper


#: How far the bounds of place may open: the share of each limit that the optimiser holds back, and of the clearance [m].
#: The curvature opens by the margin of a rover that drives: it may be in the narrowest turn already, and has no wider one left.
OPENING = {
    "along_slope": 1.0 - HELD_BACK["along_slope"], "tilt": 2.0 * (1.0 - HELD_BACK["tilt"]), "clearance": 0.06,
    "curvature_left": 1.0, "curvature_right": 1.0,
}  # fmt: skip


def opened_to(programme: Programme, limits: Any) -> Programme:
    """Bounds of slope, tilt and clearance opened to the guess, around the samples where it passes them by little.

    The searched path may begin, end or squeeze through where the true limits hold but not what is held back from them;
    without this the programme would have no solution there. The certificate knows the true limits only.
    """
    rows = programme.limit_rows.reshape(programme.pieces, SAMPLES, len(ROWS))
    lower, upper = programme.lower_g.copy(), programme.upper_g.copy()
    eased = np.zeros_like(lower)
    for name, share in OPENING.items():
        index = rows[:, :, ROWS.index(name)].ravel()
        value = limits[:, :, ROWS.index(name)].ravel()
        for bound, sign in ((upper, 1.0), (lower, -1.0)):
            if not np.all(np.isfinite(bound[index])):
                continue
            most = share if name == "clearance" else share * np.abs(bound[index])
            excess = np.clip(sign * (value - bound[index]), 0.0, most)
            wider = maximum_filter1d(excess, 7)
            bound[index] += sign * wider
            if name in MOVING_MARGINS and name.startswith("curvature"):
                eased[index] += wider
    if programme.held is not None:
        lower, upper = lower + programme.held, upper - programme.held
    eased = eased if programme.eased is None else eased + programme.eased
    return replace(programme, lower_g=lower, upper_g=upper, eased=eased if np.any(eased) else None)


def _start_energies(world: World, start: Motion, variant: Variant) -> list[float]:
    energies = [start_energy(world, start) / ENERGY_SCALE] if variant.battery else []
    return energies + ([0.0] if variant.budget else [])


def _row_bounds(along_slope: float, tilt: float) -> tuple[Any, Any]:
    """Bounds of the rows in the order of ROWS."""
    grade, steep = np.tan(HELD_BACK["along_slope"] * along_slope), np.tan(HELD_BACK["tilt"] * tilt) ** 2
    bounds = {
        "power_left": (-np.inf, 0.0), "power_right": (-np.inf, 0.0),
        "speed": (-np.inf, 1.0), "acceleration": (-1.0, 1.0), "yaw_rate": (-1.0, 1.0),
        "curvature_left": (-np.inf, 0.0), "curvature_right": (-np.inf, 0.0),
        "along_slope": (-grade, grade), "tilt": (-np.inf, steep), "clearance": (0.0, np.inf),
    }  # fmt: skip
    pairs = np.array([bounds[name] for name in ROWS])
    return pairs[:, 0], pairs[:, 1]


def _variable_bounds(world: World, variant: Variant, pieces: int, units: float) -> tuple[Any, Any]:
    nx, nz = variant.states, variant.states + CONTROLS
    size, mission = pieces * nz + nx, world.mission
    lower, upper = np.full(size, -np.inf), np.full(size, np.inf)
    lower[7::nz] = LEAST_UNIT
    last = pieces * nz
    if mission.deadline is not None:
        # where time is not what the cost is about, room is left for a last stretch of time
        share = DEADLINE_SHARE if mission.weights.energy > 0.0 or mission.weights.time == 0.0 else 1.0
        upper[last + 7] = share * mission.deadline / units
    bound = world.rover.limits.acceleration
    lower[last + 6], upper[last + 6] = -bound, bound
    lower[last + 4], upper[last + 4] = -END_YAW_ACCELERATION, END_YAW_ACCELERATION
    if variant.battery:
        lower[nz + 8 :: nz] = (floor_energy(world.rover.battery) + ENERGY_MARGIN) / ENERGY_SCALE
    if variant.budget and mission.energy_budget is not None:
        upper[last + nx - 1] = (mission.energy_budget - ENERGY_MARGIN) / ENERGY_SCALE
    return lower, upper


def split(programme: Programme, x: Any) -> tuple[Any, Any]:
    """States (pieces + 1, NX) and controls (pieces, NU) of a variable vector."""
    nz, nx = programme.variant.states + CONTROLS, programme.variant.states
    body = np.asarray(x[: programme.pieces * nz]).reshape(programme.pieces, nz)
    return np.vstack([body[:, :nx], x[-nx:]]), body[:, nx:]


def piece_ratios(programme: Programme) -> Any:
    """(pieces,) duration ratios."""
    return programme.parameters[-2 * programme.pieces :].reshape(-1, 2)[:, 0]


def to_trajectory(programme: Programme, x: Any) -> Trajectory:
    """The trajectory that a variable vector stands for: heading cubic, horizontal speed quadratic per piece.

    The polynomials are laid through the knots' headings, heading rates and speeds, so that these are continuous to
    rounding, however loosely the solver closed its gaps.
    """
    states, _ = split(programme, x)
    unit = float(states[-1, 7])
    d = piece_ratios(programme) * unit
    theta, rate, u, push = states[:, 2], states[:, 3], states[:, 5], states[:-1, 6]
    rise = np.diff(theta) / d
    heading = np.column_stack([
        theta[:-1], rate[:-1], (3.0 * rise - 2.0 * rate[:-1] - rate[1:]) / d, (rate[:-1] + rate[1:] - 2.0 * rise) / d**2
    ])  # fmt: skip
    speed = np.column_stack([u[:-1], push, (np.diff(u) - push * d) / d**2])
    return Trajectory("unicycle", states[0, :3].copy(), d, heading=heading, speed=speed)
