"""Energy along a path: the least work it takes, the least time that work allows, and a drive slow enough for the battery."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.planning.path import Path
from rover_energy.planning.retiming import SETTLED, Drive, Timing, TimingError, drive, solve, solve_once
from rover_energy.planning.retiming_kernel import FloatArray, SpeedProblem
from rover_energy.planning.stations import middle
from rover_energy.power.battery import floor_energy, usable_capacity
from rover_energy.rover import RoverParameters
from rover_energy.terrain.surface import Surface

CHARGE_ROUNDS = 3  # in which bounds of charge and of time tighten each other
COARSE_GRID = 0.05  # [m] between stations while looking for the cap
COARSE_STATIONS = 1500  # at most, while looking for the cap
BISECTIONS = 8
SCAN = (0.8, 0.6, 0.45, 0.3, 0.2, 0.12, 0.06, 0.02, 0.0)  # caps tried, as shares of the uncapped drive's


@dataclass(frozen=True)
class LowerBound:
    """Least time of any drive along a path.

    duration : [s], infinite when no drive can keep the battery's floor, the energy budget or the deadline; then
    `impossible` names that limit ("" otherwise). retiming : least time by speed, acceleration, yaw rate and power alone
    [s]. energy : least time by the energy alone, given that profile [s]. least_work : of driving and turning [J].
    """

    duration: float
    retiming: float
    energy: float
    least_work: float
    impossible: str = ""


def least_work(problem: SpeedProblem, start: float = 0.0) -> FloatArray:
    """Least energy of driving and turning from the start to each station (n,) [J], arriving there at any speed.

    Kinetic energy may be carried from where the wheels slip little to where they slip much, and braking gives nothing
    back. With q = m v^2/2, from the squared speed `start` [m2/s2], driving costs gain max(0, dq + force dl). So the
    least cost of arriving with q is convex, increasing and piecewise linear in q, and a forward sweep keeps it exactly,
    as a list of slopes. Speed-dependent resistance, yaw inertia and the limit of acceleration are left out: they only
    add. Costs O(n).
    """
    ceiling = (0.5 * problem.mass * problem.cap).tolist()
    rises, gains = (problem.force * problem.step).tolist(), problem.gain.tolist()
    segments: deque[tuple[float, float]] = deque([(0.0, 0.5 * problem.mass * start)])  # (slope, length) from q = 0 up
    value, costs = 0.0, [0.0]  # at q = 0
    length = segments[0][1]
    for rise, gain, top in zip(rises, gains, ceiling[1:], strict=True):
        _buy(segments, gain)
        if rise > 0.0:
            value = _spend(segments, value, rise, gain)
        elif rise < 0.0:
            segments.appendleft((0.0, -rise))
        length = _fit(segments, max(0.0, length - rise), top, gain)
        costs.append(value)
    return np.array(costs) + np.concatenate(([0.0], np.cumsum(problem.scrub * problem.step)))


def _buy(segments: deque[tuple[float, float]], gain: float) -> None:
    """Let kinetic energy be had for `gain` per joule: no slope is steeper."""
    replaced = 0.0
    while segments and segments[-1][0] > gain:
        replaced += segments.pop()[1]
    if replaced > 0.0:
        segments.append((gain, replaced))


def _spend(segments: deque[tuple[float, float]], value: float, amount: float, gain: float) -> float:
    """Drop the first `amount` of the domain, buying what it lacks; returns the cost at its new left end."""
    while amount > 0.0 and segments:
        slope, width = segments.popleft()
        taken = min(width, amount)
        value += slope * taken
        amount -= taken
        if width > taken:
            segments.appendleft((slope, width - taken))
    return value + gain * amount


def _fit(segments: deque[tuple[float, float]], length: float, top: float, gain: float) -> float:
    """Cut the domain at the largest kinetic energy `top`, or extend it to there by buying. Returns the new length."""
    while segments and length > top:
        slope, width = segments.pop()
        kept = max(0.0, width - (length - top))
        length -= width - kept
        if kept > 0.0:
            segments.append((slope, kept))
    if top > length:
        segments.append((gain, top - length))
    return top


def energy_bound(task: Drive, *, horizon: float = math.inf) -> LowerBound:
    """Least time of any drive of `task`, by the limits of motion and power and by the energy together.

    Notes
    -----
    Let S be generator and array, c the constant loads, P driving and turning. The store gains at most
    (S - c - P)/discharge_efficiency per second, whether charging or discharging; so being above the floor at a place l needs

        int_0^l (S - c) dt >= W(l) - U,   U = discharge_efficiency (E_0 - E_floor),   W = least_work.

    The profile of retiming is the fastest at every place, so any drive spends at each place at least its time there; what
    it spends beyond that before l gains at most g(l) = max(S) - c per second, with the maximum up to l. Let M(l) be the
    largest value up to l of W - U - int (S - c) dt on that profile, or 0. As g grows with l, the least extra time is had by
    spending it where it is first needed:

        T >= T_retiming + int dM / g.

    S is taken as the largest over the scene's time slices at each place, and the battery's discharge limit at its best
    state of charge: the bound holds whenever the rover passes and however the battery stands. It is exact up to the
    discretisation, which is of second order (1e-5 relative at the default grid), but need not be attained: it neglects
    the losses of charging.

    With a `horizon` [s] the bound is for drives that take no longer than that, such as any that would beat a plan of this
    duration. They cannot have charged the battery beyond what that time allows (`_most_energy`), which tells where the
    discharge limit depends on the state of charge, and pass each place within a window of time, which tells where the
    Sun moves.
    """
    battery = task.rover.battery
    work = least_work(task.problem(), task.start_speed**2)
    supply, timing = best_case(task, work, horizon)
    stored = task.energy - floor_energy(battery)
    usable = battery.discharge_efficiency * stored if task.mission.use_battery else 0.0
    surplus = (middle(supply) - task.constant_load) * np.diff(timing.time)
    missing = work[1:] - usable - np.cumsum(surplus)
    gain = np.maximum.accumulate(np.maximum(supply[1:], supply[:-1])) - task.constant_load
    needed = np.diff(np.maximum.accumulate(np.maximum(missing, 0.0)), prepend=0.0)
    extra = float(np.sum(_seconds(needed, gain)))
    duration = timing.duration + extra
    reason = _impossible(task, stored, duration, float(work[-1]))
    return LowerBound(math.inf if reason else duration, timing.duration, duration, float(work[-1]), reason)


def best_case(task: Drive, work: FloatArray, horizon: float = math.inf) -> tuple[FloatArray, Timing]:
    """Supply (n,) [W] and fastest drive in the best case: no drive within `horizon` [s] has more, or is faster anywhere."""
    problem, supply = task.problem(), _best_supply(task)
    most = np.full(supply.shape, usable_capacity(task.rover.battery))
    timing = solve_once(task, problem, supply, task.available(supply, most))
    for _ in range(CHARGE_ROUNDS if math.isfinite(horizon) else 0):
        supply = np.minimum(supply, _supply_within(task, timing, horizon))
        most = np.minimum(most, _most_energy(task, timing, supply, work, horizon))
        timing = solve_once(task, problem, supply, task.available(supply, most))
    return supply, timing


def _most_energy(task: Drive, timing: Timing, supply: FloatArray, work: FloatArray, horizon: float) -> FloatArray:
    """Upper bound (n,) of the stored energy at the stations [J] for drives within `horizon` [s].

    The rest of the path takes at least the time of `timing`, a lower bound itself; what is left before a station can at best
    be spent where the supply is largest, and the work up to there is at least `work`.
    """
    spare = np.maximum(horizon - timing.duration, 0.0)
    surplus = np.concatenate(([0.0], np.cumsum((middle(supply) - task.constant_load) * np.diff(timing.time))))
    net = surplus + np.maximum(np.maximum.accumulate(supply) - task.constant_load, 0.0) * spare - work
    battery = task.rover.battery
    return np.asarray(task.energy + np.maximum(battery.charge_efficiency * net, net / battery.discharge_efficiency))


def _seconds(missing: FloatArray, gain: FloatArray) -> FloatArray:
    """Times in which `gain` [W] brings what is `missing` [J]: infinite when it never does, 0 when nothing is missing."""
    time = np.where(missing > 0.0, np.inf, 0.0)
    return np.divide(missing, gain, out=time, where=(missing > 0.0) & (gain > 0.0))


def _best_supply(task: Drive) -> FloatArray:
    times = task.environment.times
    if times.size == 1:
        return task.supply(0.0)
    later = times[times > task.start_time] - task.start_time
    return np.max([task.supply(t) for t in (0.0, *later)], axis=0)


def _supply_within(task: Drive, timing: Timing, horizon: float) -> FloatArray:
    """The best supply (n,) [W] at the stations in the times at which drives within `horizon` [s] can pass there."""
    times = task.environment.times
    if times.size == 1:
        return task.supply(0.0)
    spare = max(horizon - timing.duration, 0.0)
    count = 3 + math.ceil(2.0 * spare / float(times[1] - times[0]))
    latest = float(times[-1]) - task.start_time
    windows = timing.time + spare * np.linspace(0.0, 1.0, count)[:, None]
    return np.max([task.supply(np.minimum(times_there, latest)) for times_there in windows], axis=0)


def _impossible(task: Drive, stored: float, duration: float, work: float) -> str:
    budget, deadline = task.mission.energy_budget, task.mission.deadline
    if not (stored >= 0.0 and math.isfinite(duration)):
        return "floor"
    if budget is not None and not (work + task.constant_load * duration <= budget):
        return "energy_budget"
    if deadline is not None and not (duration <= deadline):
        return "deadline"
    return ""


def time_lower_bound(
    path: Path,
    surface: Surface,
    environment: Environment,
    rover: RoverParameters,
    mission: MissionParameters,
    *,
    grid: float = 0.01,
    horizon: float = math.inf,
) -> LowerBound:
    """Least time of any drive along a path, from rest to rest; see `energy_bound`. Errors as `retiming.retime`."""
    return energy_bound(drive(path, surface, environment, rover, mission, grid=grid), horizon=horizon)


def slow_for_energy(
    path: Path,
    surface: Surface,
    environment: Environment,
    rover: RoverParameters,
    mission: MissionParameters,
    *,
    grid: float = 0.01,
) -> Timing:
    """A fast drive along a path that also keeps the battery's floor, the energy budget and the deadline.

    The fastest drive is returned when it keeps them. Otherwise the battery's discharge is capped, as high as the floor
    allows: where the supply is steady, letting the battery give no more than it must, wherever that is, loses least to
    charging and discharging, and the drive comes within those losses of `energy_bound`. When no such cap keeps every limit
    (as when the budget binds and resistance grows with speed) the speed is capped instead.

    Parameters
    ----------
    path, surface, environment, rover, mission, grid
        As in `retiming.retime`.

    Returns
    -------
    Timing
        With least_battery_margin >= 0, no shortfall, consumed energy within the budget, duration within the deadline.

    Raises
    ------
    InputError, TimingError
        As `retiming.retime`; TimingError also when no cap keeps the limits, with `reason` "floor", "energy_budget" or
        "deadline". That does not prove that no drive does: `energy_bound` may.
    """
    task = drive(path, surface, environment, rover, mission, grid=grid)
    fastest = solve(task)
    first = violated(fastest, mission)
    if not first:
        return fastest
    if first == "deadline" and violated(fastest, replace(mission, deadline=None)) == "":
        raise _cannot(first, fastest, mission)
    coarse = drive(path, surface, environment, rover, mission, grid=max(grid, COARSE_GRID, path.length / COARSE_STATIONS))
    deficit = max(0.0, float(np.max(fastest.total_power - fastest.supply_power)))
    speed = float(fastest.speed.max())
    caps: tuple[Callable[[Drive, float], Drive], ...] = (
        lambda task, share: replace(task, discharge_cap=share * deficit),
        lambda task, share: replace(task, speed_cap=share * speed),
    )
    for cap in caps:
        timing = _fastest_capped(task, coarse, cap)
        if timing is not None:
            return timing
    raise _cannot(first, fastest, mission)


def _cannot(reason: str, fastest: Timing, mission: MissionParameters) -> TimingError:
    """The refusal with what the fastest drive misses, and the load whose absence would make it good."""
    if reason == "deadline":
        missing, unit = fastest.duration - (mission.deadline or 0.0), "s"
        help_ = f"allow {missing:.3g} s more"
    else:
        budget = math.inf if mission.energy_budget is None else mission.energy_budget
        missing, unit = fastest.consumed_energy - budget, "J"
        if reason == "floor":
            missing = fastest.shortfall - min(0.0, fastest.least_battery_margin)
        help_ = f"{missing:.4g} J more, or {missing / fastest.duration:.3g} W less load, would let it pass"
    why = f"the fastest drive along it misses it by {missing:.4g} {unit}, and no slower one was found that keeps it"
    return TimingError(reason, f"the path breaks the {reason.replace('_', ' ')}: {why}; {help_}", missing=missing, unit=unit)


def violated(timing: Timing, mission: MissionParameters) -> str:
    """The first of "floor", "energy_budget" and "deadline" that a drive breaks; "" when it keeps all."""
    if not (timing.least_battery_margin >= 0.0 and timing.shortfall <= SETTLED * timing.duration):
        return "floor"
    if mission.energy_budget is not None and not (timing.consumed_energy <= mission.energy_budget):
        return "energy_budget"
    if mission.deadline is not None and not (timing.duration <= mission.deadline):
        return "deadline"
    return ""


def _fastest_capped(task: Drive, coarse: Drive, cap: Callable[[Drive, float], Drive]) -> Timing | None:
    """The drive under the highest cap that keeps the limits: scanned and halved on the coarse path, confirmed on the fine."""

    def attempt(which: Drive, share: float) -> Timing | None:
        try:
            timing = solve(cap(which, share))
        except TimingError:
            return None
        return None if violated(timing, task.mission) else timing

    above = 1.0
    for below in SCAN:
        if attempt(coarse, below) is not None:
            break
        above = below
    else:
        return None
    for _ in range(BISECTIONS):
        centre = 0.5 * (above + below)
        above, below = (above, centre) if attempt(coarse, centre) is not None else (centre, below)
    return next((t for ease in (1.0, 0.999, 0.995, 0.98, 0.95) if (t := attempt(task, ease * below)) is not None), None)
