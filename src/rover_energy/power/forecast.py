"""Supply, load and stored energy ahead, as quantiles: a seeded ensemble of what may depart from a nominal course.

Seven departures, each independent and with its own scale in `ForecastParameters`:

- resistance: a factor of the motion power, lognormal with median 1, the same over the whole horizon;
- array: a factor of the array's power for dust and calibration, lognormal with median 1, the same over the whole horizon;
- pace: a factor of the time in which the course is run through, lognormal, the same over the whole horizon. Motion takes the
  same energy in it; the array gives what it gives at that place;
- roughness: a further part of the motion power, for ground that is not as smooth as the map;
- attitude: a further part of the array's power, for a body that leans otherwise than the smooth ground says;
- load: what the constant loads take beyond their description [W];
- switched loads: what they take beyond what is expected of them [W], which grows from nothing, as their state now is known.

All but the first three vary: stationary Gauss-Markov processes (Ornstein-Uhlenbeck; Gillespie 1996, doi:10.1103/PhysRevE.54.2084,
eq. 1.9a-b, exact for any step) with a correlation time each. Battery and bus are those of `power.storage`, member by member.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rover_energy.errors import InputError
from rover_energy.parameters import Parameters, parameter
from rover_energy.power.battery import (
    TAPER_SECONDS,
    BatteryParameters,
    charge_limit,
    discharge_limit,
    floor_energy,
    usable_capacity,
)

Array = NDArray[np.float64]

QUANTILES = (0.1, 0.5, 0.9)
AT_FLOOR = 1e-6  # share of the capacity within which the store counts as at its floor


@dataclass(frozen=True)
class ForecastParameters(Parameters):
    """What may depart from the nominal course, and how it is sampled."""

    resistance_sigma: float = parameter(
        0.10, minimum=0.0, maximum=1.0, description="standard deviation of the logarithm of the motion power's factor",
        source="+-20 % of resistance, slip and mass in the drive campaigns: even distribution, 0.2/sqrt(3)",
    )  # fmt: skip
    array_sigma: float = parameter(
        0.05, minimum=0.0, maximum=1.0,
        description="standard deviation of the logarithm of the array's factor: dust, calibration",
    )  # fmt: skip
    pace_median: float = parameter(
        1.03, minimum=0.5, maximum=2.0, description="median of the factor of the time that a drive takes",
        source="drives in both simulators: benchmarks/forecasts.py",
    )  # fmt: skip
    pace_sigma: float = parameter(
        0.02, minimum=0.0, maximum=1.0, description="standard deviation of the logarithm of it",
        source="drives in both simulators: benchmarks/forecasts.py",
    )  # fmt: skip
    roughness_sigma: float = parameter(
        0.06, minimum=0.0, maximum=1.0,
        description="standard deviation of the share of the motion power that rough ground adds or takes",
        source="drives in both simulators: benchmarks/forecasts.py",
    )  # fmt: skip
    roughness_time: float = parameter(3.0, unit="s", minimum=0.1, maximum=1e6, description="correlation time of it")
    attitude_sigma: float = parameter(
        0.03, minimum=0.0, maximum=1.0, description="standard deviation of the array's share that the body's lean adds or takes",
    )  # fmt: skip
    attitude_time: float = parameter(20.0, unit="s", minimum=0.1, maximum=1e6, description="correlation time of it")
    load_sigma: float = parameter(
        2.0, unit="W", minimum=0.0, maximum=1e4, description="standard deviation of the constant loads' residual",
    )  # fmt: skip
    load_time: float = parameter(600.0, unit="s", minimum=0.1, maximum=1e6, description="correlation time of it")
    switched_sigma: float = parameter(
        0.0, unit="W", minimum=0.0, maximum=1e4,
        description="standard deviation of what switched loads take about what is expected of them",
    )  # fmt: skip
    switched_time: float = parameter(600.0, unit="s", minimum=0.1, maximum=1e6, description="correlation time of it")
    switched_offset: float = parameter(
        0.0, unit="W", minimum=0.0, maximum=1e4, description="standard deviation of an error of what is expected of them",
    )  # fmt: skip
    members: int = parameter(400, minimum=20, maximum=100000, description="of the ensemble")
    seed: int = parameter(0, minimum=0, maximum=2**31 - 1, description="of the ensemble")


@dataclass(frozen=True)
class Course:
    """The nominal course over n steps, powers at the bus [W], means over the steps.

    step : (n,) lengths [s]. rtg_power, pv_power, constant_power (all loads but motion), motion_power : (n,).
    """

    step: Array
    rtg_power: Array
    pv_power: Array
    constant_power: Array
    motion_power: Array

    def __post_init__(self) -> None:
        step = np.atleast_1d(np.asarray(self.step, dtype=float))
        object.__setattr__(self, "step", step)
        if not (step.ndim == 1 and step.size and np.all((step > 0.0) & (step < math.inf))):
            raise InputError("forecast", "step", "are not positive times", "give (n,) seconds above 0")
        for name in ("rtg_power", "pv_power", "constant_power", "motion_power"):
            try:
                values = np.broadcast_to(np.asarray(getattr(self, name), dtype=float), step.shape)
            except ValueError:
                raise InputError("forecast", name, "does not fit the steps", f"give {step.size} values or one") from None
            if not np.all((values >= 0.0) & (values < math.inf)):
                raise InputError("forecast", name, "is not a finite power of 0 or more", "check the course")
            object.__setattr__(self, name, values)


@dataclass(frozen=True)
class Forecast:
    """Quantiles at the ends of the n steps, rows for P10, P50 and P90.

    time : (n,) [s] after now. load_power, available_power : (3, n) means over the step that ends there [W]; battery_energy :
    (3, n) [J] at its end. time_to_floor : (3,) [s], infinite where the floor is not met within the horizon. floor : [J].
    """

    time: Array
    load_power: Array
    available_power: Array
    battery_energy: Array
    time_to_floor: Array
    floor: float


def forecast_power(
    battery: BatteryParameters,
    course: Course,
    energy: float,
    parameters: ForecastParameters | None = None,
    *,
    use_battery: bool = True,
    power_limit: float = math.inf,
    governed: bool = False,
) -> Forecast:
    """Quantiles of load, available power and stored energy.

    Parameters
    ----------
    battery : BatteryParameters
    course : Course
    energy : float
        Stored now [J].
    parameters : ForecastParameters, optional
    use_battery : bool
        False: it charges, and gives nothing.
    power_limit : float
        Cap on all loads together [W].
    governed : bool
        Motion takes no more than what is available, and goes through its course the slower, as the rover's governor has it;
        otherwise loads beyond what is available are counted as asked, and served as far as possible.

    Returns
    -------
    Forecast
        Available power is generator, array and what the battery may give at the energy that it has at the start of the step,
        falling to 0 towards the floor as on the bus (`battery.discharge_towards_floor`).

    Raises
    ------
    InputError
        The energy is NaN or not between empty and full.
    """
    p = parameters or ForecastParameters()
    capacity, floor = usable_capacity(battery), floor_energy(battery)
    if not 0.0 <= energy <= capacity * (1.0 + 1e-12):
        raise InputError("forecast", "energy", "is not between empty and full", f"give 0 J to {capacity:g} J", energy)
    way = _Governed(course, p) if governed else None
    supply, load = (np.zeros((p.members, course.step.size)) for _ in range(2)) if way is not None else members_of(course, p)
    stored = np.full(p.members, float(energy))
    gone = np.where(stored <= floor + AT_FLOOR * capacity, 0.0, np.inf)
    time = np.cumsum(course.step)
    rows: dict[str, list[Array]] = {"load": [], "available": [], "energy": []}
    for k, seconds in enumerate(course.step.tolist()):
        give = _give(battery, stored, capacity, floor) if use_battery else np.zeros(p.members)
        if way is not None:
            supply[:, k], load[:, k] = way.step(k, give, power_limit)
        rows["available"].append(_quantiles(np.minimum(supply[:, k] + give, power_limit)))
        rows["load"].append(_quantiles(load[:, k]))
        before, stored = stored, advance(battery, stored, supply[:, k] - load[:, k], seconds, allow_discharge=use_battery)
        rows["energy"].append(_quantiles(stored))
        fallen = stored <= floor + AT_FLOOR * capacity
        free = advance(battery, before, supply[:, k] - load[:, k], seconds, allow_discharge=use_battery, keep_floor=False)
        gone = np.minimum(gone, np.where(fallen, _met(before, free, floor, float(time[k]) - seconds, seconds), np.inf))
    quantiles = {name: np.array(values).T for name, values in rows.items()}
    return Forecast(time, quantiles["load"], quantiles["available"], quantiles["energy"], _quantiles(gone), floor)


@dataclass(frozen=True)
class _Departures:
    """Of all members, (members, 1) or (members, n): factors of motion, array and pace; lean, residual [W], roughness."""

    motion: Array
    array: Array
    lean: Array
    residual: Array
    pace: Array
    rough: Array


def _departures(course: Course, p: ForecastParameters) -> _Departures:
    rng = np.random.default_rng(p.seed)
    motion = np.exp(p.resistance_sigma * rng.standard_normal(p.members))[:, None]
    array = np.exp(p.array_sigma * rng.standard_normal(p.members))[:, None]
    lean = p.attitude_sigma * mean_of_process(course.step, p.attitude_time, p.members, rng)
    residual = p.load_sigma * mean_of_process(course.step, p.load_time, p.members, rng)
    pace = p.pace_median * np.exp(p.pace_sigma * rng.standard_normal(p.members))[:, None]
    rough = p.roughness_sigma * mean_of_process(course.step, p.roughness_time, p.members, rng)
    if p.switched_sigma > 0.0 or p.switched_offset > 0.0:
        residual = residual + _switched(course.step, p, rng)
    return _Departures(motion, array, lean, residual, pace, rough)


def _switched(step: Array, p: ForecastParameters, rng: np.random.Generator) -> Array:
    """What switched loads take beyond what is expected, (members, n) [W]: 0 now, a stationary process in the long run."""
    middle = np.cumsum(step) - 0.5 * step
    found = mean_of_process(step, p.switched_time, p.members, rng)
    known = 1.0 - math.sqrt(-math.expm1(-2.0 * middle[0] / p.switched_time))  # the first of a process that is 0 now
    found = found - known * mean_share(step, p.switched_time) / mean_share(step[:1], p.switched_time) * np.exp(
        -(middle - middle[0]) / p.switched_time
    ) * found[:, :1]
    lasting = -np.expm1(-middle / p.switched_time) * rng.standard_normal(p.members)[:, None]
    return np.asarray(p.switched_sigma * found + p.switched_offset * lasting)


def members_of(course: Course, p: ForecastParameters) -> tuple[Array, Array]:
    """Supply and load of each member in each step, (members, n) [W]."""
    d = _departures(course, p)
    supply = course.rtg_power + _paced(course.step, course.pv_power, d.pace) * d.pace * np.maximum(0.0, d.array * (1.0 + d.lean))
    moving = _paced(course.step, course.motion_power, d.pace) * d.motion * np.maximum(0.0, 1.0 + d.rough)
    return supply, np.maximum(0.0, course.constant_power + d.residual) + moving


class _Governed:
    """Members whose motion waits for power: how far each has come on the course, step by step."""

    def __init__(self, course: Course, p: ForecastParameters) -> None:
        self.course, self.d = course, _departures(course, p)
        self.edges = np.concatenate(([0.0], np.cumsum(course.step)))
        self.motion, self.array = (
            np.concatenate(([0.0], np.cumsum(power * course.step))) for power in (course.motion_power, course.pv_power)
        )
        moving = np.flatnonzero(course.motion_power > 0.0)
        self.goal = float(self.edges[moving[-1] + 1]) if moving.size else 0.0
        self.at = np.zeros(p.members)

    def step(self, k: int, give: Array, power_limit: float) -> tuple[Array, Array]:
        """Supply and load (members,) of a step in which the battery may give so much [W]."""
        d, seconds = self.d, float(self.course.step[k])
        constant = np.maximum(0.0, self.course.constant_power[k] + d.residual[:, k])
        most = seconds / d.pace[:, 0]
        array = self._between(self.array, most) / most * np.maximum(0.0, d.array[:, 0] * (1.0 + d.lean[:, k]))
        supply = self.course.rtg_power[k] + array
        if np.all(self.at >= self.goal):
            self.at = self.at + most
            return supply, constant
        factor = d.motion[:, 0] * np.maximum(0.0, 1.0 + d.rough[:, k]) / seconds
        need = self._between(self.motion, most) * factor
        room = np.maximum(0.0, np.minimum(supply + give, power_limit) - constant)
        way = most * np.where(need > room, room / np.where(need > 0.0, need, 1.0), 1.0)
        moving = np.minimum(self._between(self.motion, way) * factor, np.maximum(room, 0.0))
        self.at = self.at + way
        return supply, constant + moving

    def _between(self, total: Array, way: Array) -> Array:
        """Energy [J] over the next stretch of the course; beyond its end as in its last step."""
        slope = (total[-1] - total[-2]) / (self.edges[-1] - self.edges[-2])
        begin, end = (
            np.interp(at, self.edges, total) + np.maximum(0.0, at - self.edges[-1]) * slope for at in (self.at, self.at + way)
        )
        return np.asarray(end - begin)


def _paced(step: Array, power: Array, pace: Array) -> Array:
    """Mean powers in the steps when the course is run through `pace` (members, 1) times as slowly with the same energy."""
    edges = np.concatenate(([0.0], np.cumsum(step)))
    energy = np.concatenate(([0.0], np.cumsum(power * step)))
    wanted = edges / pace
    beyond = np.maximum(0.0, wanted - edges[-1]) * power[-1]  # as in the last step
    return np.asarray(np.diff(np.interp(wanted, edges, energy) + beyond, axis=1) / step)


def gauss_markov(step: ArrayLike, time: float, members: int, rng: np.random.Generator) -> Array:
    """Stationary Gauss-Markov processes of unit variance, each as at the middles of the steps, (members, n).

    step : (n,) [s]. time : correlation time [s]; the correlation over a time d is exp(-d/time).
    """
    lengths = np.asarray(step, dtype=float)
    noise = rng.standard_normal((members, lengths.size))
    apart = 0.5 * (lengths[1:] + lengths[:-1])
    keep = np.exp(-apart / time)
    fresh = np.sqrt(-np.expm1(-2.0 * apart / time))
    for k in range(1, lengths.size):
        noise[:, k] = keep[k - 1] * noise[:, k - 1] + fresh[k - 1] * noise[:, k]
    return noise


def mean_of_process(step: Array, time: float, members: int, rng: np.random.Generator) -> Array:
    """Such processes as means over the steps: of less variance the longer a step is against the correlation time.

    The variance of the mean over T is 2 (T/time - 1 + exp(-T/time)) (time/T)^2 (Taylor 1922, doi:10.1112/plms/s2-20.1.196).
    """
    return np.asarray(mean_share(step, time) * gauss_markov(step, time, members, rng))


def mean_share(step: Array, time: float) -> Array:
    """Standard deviation of the mean over a step, in those of the process, (n,)."""
    ratio = step / time
    exact = 2.0 * (ratio + np.expm1(-ratio)) / ratio**2
    return np.asarray(np.sqrt(np.where(ratio > 1e-3, exact, 1.0 - ratio / 3.0)))  # the series where the difference cancels


def advance(
    battery: BatteryParameters, energy: ArrayLike, net_power: ArrayLike, seconds: float, *, allow_discharge: bool = True,
    keep_floor: bool = True,
) -> Array:  # fmt: skip
    """Stored energies (m,) [J] after one step of constant net powers (m,) [W]: `storage.integrate_battery` for many at once."""
    start, net = np.asarray(energy, dtype=float), np.asarray(net_power, dtype=float)
    capacity, floor = usable_capacity(battery), floor_energy(battery) if keep_floor else 0.0
    if capacity <= 0.0:
        return np.zeros_like(start)
    most_given = float(discharge_limit(battery, 1.0)) if allow_discharge else 0.0
    out = _discharged(battery, start, np.minimum(np.maximum(-net, 0.0), most_given), seconds, capacity, floor)
    taken = np.minimum(np.maximum(net, 0.0), float(charge_limit(battery, 0.0)))
    return np.where(net < 0.0, out, _charged(battery, start, taken, seconds, capacity))


def _discharged(battery: BatteryParameters, start: Array, draw: Array, seconds: float, capacity: float, floor: float) -> Array:
    """A constant draw down to where the taper begins to bind, then an exponential, and never below the floor."""
    most, efficiency = float(discharge_limit(battery, 1.0)), battery.discharge_efficiency
    span = battery.discharge_taper * capacity
    asked = draw > 1e-9
    safe = np.where(draw > 1e-9, draw, 1.0)
    corner = np.minimum(start, np.where(asked, span * draw / max(most, 1e-12), 0.0))
    straight = np.minimum(seconds, (start - corner) * efficiency / safe)
    after = start - draw * straight / efficiency
    if span > 0.0:
        after = after * np.exp(-most / (span * efficiency) * (seconds - straight))
    return np.where(asked & (start > floor), np.maximum(floor, after), start)


def _charged(battery: BatteryParameters, start: Array, intake: Array, seconds: float, capacity: float) -> Array:
    """A constant intake up to where the taper begins to bind, then an exponential towards full."""
    most, efficiency = float(charge_limit(battery, 0.0)), battery.charge_efficiency
    span = (1.0 - battery.charge_taper) * capacity
    offered = intake > 1e-9
    safe = np.where(offered, intake, 1.0)
    corner = np.maximum(start, np.where(offered, capacity - span * intake / max(most, 1e-12), capacity))
    straight = np.minimum(seconds, (corner - start) / (efficiency * safe))
    after = start + efficiency * intake * straight
    if span > 0.0:
        after = capacity - (capacity - after) * np.exp(-efficiency * most / span * (seconds - straight))
    return np.where(offered, np.minimum(after, capacity), start)


def _give(battery: BatteryParameters, energy: Array, capacity: float, floor: float) -> Array:
    """`discharge_towards_floor` for many energies."""
    limit = discharge_limit(battery, energy / capacity) if capacity > 0.0 else np.zeros_like(energy)
    return np.maximum(0.0, np.minimum(limit, (energy - floor) * battery.discharge_efficiency / TAPER_SECONDS))


def _met(before: Array, after: Array, level: float, begin: float, seconds: float) -> Array:
    """When members that fall come to a level [s]; linear within the step."""
    share = (before - level) / np.where(before > after, before - after, np.inf)
    return begin + np.clip(share, 0.0, 1.0) * seconds


def _quantiles(values: Array) -> Array:
    """P10, P50, P90 (3,); of order statistics, so that infinite members stay infinite."""
    return np.asarray(np.quantile(values, QUANTILES, method="inverted_cdf"))
