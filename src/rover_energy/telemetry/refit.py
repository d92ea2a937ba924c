"""Parameters of soil and drivetrain from drives: the package's own demand model fitted to power or current, with uncertainty.

Where `locomotion.calibration` fits a linear law to steady driving, this fits the model that plans are made with, sample by
sample: slip, acceleration, the positive part, and Bekker-Wong soil where the rover is described by it. Free parameters are
fields of rover.yaml. What the drives cannot tell keeps its value, and is named.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import drive_power, slip, turn_power
from rover_energy.locomotion.drive_log import LONGEST_GAP, DriveLog
from rover_energy.locomotion.scoring import Score, leave_one_run_out, score
from rover_energy.parameters import Parameters, describe
from rover_energy.rover import RoverParameters

Array = NDArray[np.float64]
POLYNOMIAL = ("locomotion.resistance.c0", "locomotion.turn_moment", "locomotion.drivetrain_efficiency")
BEKKER = ("locomotion.resistance.soil.frictional_modulus", "locomotion.turn_moment", "locomotion.drivetrain_efficiency")
EFFICIENCY = "locomotion.drivetrain_efficiency"
BASE = "loads.base_power"
INTERVAL = 0.90
"""Probability that the interval of an estimate is meant to have."""
UNKNOWN = 0.5
"""A parameter with a standard deviation above this share of its value is not told by the drives."""
TURNING = 0.2
"""Time before and after a sample over which the yaw rate is averaged for its derivative [s]."""
FOLDS = 5
BLOCK = 10
"""Windows that are left out together by the jackknife where there are too few runs to leave out whole runs."""
LEAST_BLOCKS = 8
"""Fewest runs, or blocks of windows, from which a spread is taken."""


@dataclass(frozen=True)
class Estimate:
    """One parameter: its value before and after, standard deviation, 90 % interval, unit; `told` by the drives or kept."""

    name: str
    before: float
    value: float
    deviation: float
    low: float
    high: float
    unit: str
    told: bool


@dataclass(frozen=True)
class RefitResult:
    """Outcome of `refit`.

    rover: with the new values. estimates: one per free parameter. covariance: of the told ones, in their order, in their units.
    scale: ampere per newton of wheel force, for currents. scores: out of sample, by fold: 'refit', 'described' (the rover as it
    was), 'constant', 'constant_grade'; folds are whole runs, or stretches of time where there are fewer than three.
    """

    rover: RoverParameters
    quantity: str
    runs: int
    windows: int
    seconds: float
    estimates: tuple[Estimate, ...]
    covariance: Array
    scale: float
    scores: dict[str, Score]
    folds: str
    findings: tuple[str, ...]

    @property
    def beats_grade(self) -> bool:
        """The refit predicts what it has not seen better than a constant plus a term in the grade."""
        return self.scores["refit"].rmse < self.scores["constant_grade"].rmse


@dataclass(frozen=True)
class _Samples:
    """Samples of all kept windows end to end, (n,), where each window begins, (w,), and run and mean signal of each window."""

    speed: Array
    acceleration: Array
    yaw_rate: Array
    yaw_acceleration: Array
    along_slope: Array
    begins: NDArray[np.int64]
    run: NDArray[np.int64]
    signal: Array

    def mean(self, values: Array) -> Array:
        """Means over the windows."""
        counts = np.diff(np.append(self.begins, len(self.speed)))
        return np.asarray(np.add.reduceat(values, self.begins) / counts)


def refit(
    logs: Sequence[DriveLog], rover: RoverParameters, *, gravity: float, free: Sequence[str] = (), total: bool = False,
    seconds: float = 3.0, least_speed: float = 0.15,
) -> RefitResult:  # fmt: skip
    """Fit parameters of a rover to its drives.

    Parameters
    ----------
    logs : sequence of DriveLog
        Power of the motors [W], or of the whole bus with `total`; or motor current [A].
    rover : RoverParameters
        Start, and everything that is not free; its mass is taken as known.
    gravity : float
        Where the drives took place [m/s2].
    free : sequence of str
        Dotted fields of rover.yaml; by default resistance (`c0`, or the soil's frictional modulus), turning moment and drivetrain
        efficiency, and with `total` the base power. Currents have an unknown scale, which takes the place of the efficiency.
    seconds : float
        Windows over which model and measurement are averaged [s].
    least_speed : float
        Samples slower than this are left out of currents [m/s], as force is power over speed.

    Raises
    ------
    InputError
        When fewer than 20 windows are left, a field is unknown, or the logs do not fit together.
    """
    if not gravity > 0.0:
        raise InputError("refit", "gravity", "is not positive", "give it in m/s2", gravity)
    samples, quantity = _windows(logs, seconds, least_speed)
    names = _free_names(rover, free, quantity, total)
    fit = _Fit(rover, samples, gravity, quantity)
    held: list[str] = []
    while True:
        values, jacobian = fit.solve(names)
        covariance, freedom = _jackknife(jacobian, samples.signal - fit.predict(names, values), samples.run)
        vague = _vagueness(values, fit.values(names), jacobian, covariance)[: len(names)]
        if not names or np.max(vague) <= UNKNOWN:
            break
        held.append(names.pop(int(np.argmax(vague))))
    scores, folds = _scores(fit, names, samples)
    told = dict(zip(names, range(len(names)), strict=True))
    spread = np.sqrt(np.diag(covariance))
    reach = float(stdtrit(freedom, 0.5 + 0.5 * INTERVAL)) * spread
    estimates = tuple(_estimate(rover, name, values, spread, reach, told.get(name)) for name in (*names, *held))
    scale = float(values[-1]) if quantity == "current" else math.nan
    return RefitResult(
        fit.rover(names, values), quantity, len(np.unique(samples.run)), len(samples.signal), seconds, estimates,
        covariance[: len(names), : len(names)], scale, scores, folds, _findings(held, quantity, samples, scores),
    )  # fmt: skip


def _windows(logs: Sequence[DriveLog], seconds: float, least_speed: float) -> tuple[_Samples, str]:
    """Whole windows of trusted samples. Raises InputError."""
    kinds = {log.quantity for log in logs}
    if len(kinds) != 1:
        raise InputError("refit", "logs", "none, or of different quantities", "give logs of one kind", sorted(kinds))
    quantity = kinds.pop()
    parts: list[Array] = []
    begins, runs, signals, count = [], [], [], 0
    for run, log in enumerate(logs):
        turning = _yaw_acceleration(log) if quantity == "power" else np.zeros_like(log.yaw_rate)
        table = np.stack((log.speed, log.acceleration, log.yaw_rate, turning, log.along_slope, log.signal))
        good = log.usable & np.all(np.isfinite(table), axis=0)
        if quantity == "current":
            good &= log.speed >= least_speed
        number = ((log.t - log.t[0]) // seconds).astype(int)
        edges = np.searchsorted(number, np.arange(number[-1] + 2))
        period = float(np.median(np.diff(log.t)))
        for first, last in itertools.pairwise(edges):
            span = slice(first, last)
            dense = last - first >= max(2.0, 0.8 * seconds / period)
            if dense and good[span].all() and np.max(np.diff(log.t[span])) <= max(LONGEST_GAP, 3.0 * period):
                parts.append(table[:, span])
                begins.append(count)
                runs.append(run)
                signals.append(float(log.signal[span].mean()))
                count += int(last - first)
    if len(signals) < 20:
        raise InputError("refit", "windows", "fewer than 20 are left", "give longer drives or shorten the windows", len(signals))
    v, a, w, alpha, phi, _ = np.concatenate(parts, axis=1)
    return _Samples(v, a, w, alpha, phi, np.array(begins), np.array(runs), np.array(signals)), quantity


def _yaw_acceleration(log: DriveLog) -> Array:
    """Of the body [rad/s2], (n,): difference of the mean yaw rates before and after each sample.

    The demand takes its positive part with the yaw rate's sign, so noise in it would not average out: without it the turning
    moment is found up to 4 % too great on a rover that turns in and out of curves, with noise of single samples likewise.
    """
    period = float(np.median(np.diff(log.t)))
    k = max(1, round(TURNING / period))
    kernel = np.repeat([1.0 / k, 0.0, -1.0 / k], [k, 1, k])
    return np.asarray(np.convolve(np.pad(log.yaw_rate, k, mode="edge"), kernel, "valid") / ((k + 1) * period))


def _free_names(rover: RoverParameters, free: Sequence[str], quantity: str, total: bool) -> list[str]:
    known = {row["name"]: row for row in describe(RoverParameters) if isinstance(row["default"], float)}
    names = list(free)
    if not names:
        names = list(BEKKER if rover.locomotion.resistance.model == "bekker" else POLYNOMIAL) + [BASE] * total
        names = [name for name in names if not (quantity == "current" and name in (EFFICIENCY, BASE))]
    for name in names:
        if name not in known:
            raise InputError("refit", "--free", "is no number of rover.yaml", "see: rover-energy rover --explain", name)
    return names


class _Fit:
    """The demand model as a function of some of its parameters."""

    def __init__(self, rover: RoverParameters, samples: _Samples, gravity: float, quantity: str) -> None:
        self.start, self.samples, self.gravity, self.quantity = rover, samples, gravity, quantity
        self.rows = {row["name"]: row for row in describe(RoverParameters)}

    def values(self, names: Sequence[str]) -> Array:
        """Start values, the scale of currents last."""
        found = [value_of(self.start, name) for name in names]
        if self.quantity == "current":
            model = self.samples.mean(self._signal(self.start, False))
            found.append(float(model @ self.samples.signal / (model @ model)))
        return np.array(found)

    def rover(self, names: Sequence[str], values: Array) -> RoverParameters:
        """The rover with new values."""
        made = self.start
        for name, value in zip(names, values, strict=False):
            made = replaced(made, name, float(value))
        return made

    def predict(self, names: Sequence[str], values: Array) -> Array:
        """Mean signal of each window."""
        signal = self.samples.mean(self._signal(self.rover(names, values), BASE in names))
        return signal * values[-1] if self.quantity == "current" else signal

    def _signal(self, rover: RoverParameters, base: bool) -> Array:
        """Power of the motors and, with `base`, of the constant loads [W]; or force at the wheels [N]."""
        s, p = self.samples, rover.locomotion
        drive = drive_power(
            p, speed=s.speed, acceleration=s.acceleration if self.quantity == "power" else 0.0 * s.speed,
            along_slope=s.along_slope, tilt=np.abs(s.along_slope), gravity=self.gravity,
        )  # fmt: skip
        turn = turn_power(p, yaw_rate=s.yaw_rate, yaw_acceleration=s.yaw_acceleration)
        if self.quantity == "power":
            return np.asarray(drive + turn + (rover.loads.base_power if base else 0.0))
        return np.asarray((drive * (1.0 - slip(p.slip, s.along_slope)) + turn) * p.drivetrain_efficiency / s.speed)

    def solve(self, names: Sequence[str], keep: NDArray[np.bool_] | None = None) -> tuple[Array, Array]:
        """Least squares over the windows of `keep`: values, and the Jacobian of the prediction there. Raises InputError."""
        from scipy.optimize import least_squares

        first = self.values(names)
        keep = np.ones(len(self.samples.signal), dtype=bool) if keep is None else keep
        if not first.size:
            return first, np.zeros((int(keep.sum()), 0))
        low, high = (np.array([self.rows[n][side] for n in names] + [edge] * (len(first) - len(names)), dtype=float)
                     for side, edge in (("minimum", 0.0), ("maximum", math.inf)))  # fmt: skip
        size = np.where(np.abs(first) > 0.0, np.abs(first), 1.0)

        def misfit(x: Array) -> Array:
            return np.asarray((self.predict(names, x * size) - self.samples.signal)[keep])

        begin = np.clip(first / size, low / size + 1e-9, high / size - 1e-9)
        found = least_squares(misfit, begin, bounds=(low / size, high / size))
        if not found.success:
            raise InputError("refit", "fit", f"did not converge ({found.message})", "free fewer parameters, or check the units")
        return found.x * size, found.jac / size


def value_of(group: Parameters, name: str) -> float:
    """Value of a dotted field."""
    found: Any = group
    for part in name.split("."):
        found = getattr(found, part)
    return float(found)


def replaced(group: Any, name: str, value: float) -> Any:
    """A copy of a parameter group with one dotted field changed. Raises InputError when the value is out of bounds."""
    first, _, rest = name.partition(".")
    return dataclasses.replace(group, **{first: replaced(getattr(group, first), rest, value) if rest else value})


def _jackknife(jacobian: Array, residual: Array, run: NDArray[np.int64]) -> tuple[Array, int]:
    """Covariance (k, k) of the values, and its degrees of freedom: each whole run left out in turn, or each block of windows
    where there are fewer than 8 runs.

    The residuals of neighbouring windows go together, so these are left out together (Kuensch, Ann. Statist. 17:1217, 1989); one
    Gauss-Newton step from the optimum for each (Shao & Tu, The Jackknife and Bootstrap, 1995, ch. 8). With few blocks that is
    the estimate that does not claim too much (MacKinnon & White, J. Econometrics 29:305, 1985, HC3; by blocks: Bell & McCaffrey,
    Survey Methodology 28:169, 2002), with quantiles of Student's t for as many blocks less one.
    """
    blocks = run if len(np.unique(run)) >= LEAST_BLOCKS else np.arange(len(run)) * _blocks(len(run)) // len(run)
    numbers = np.unique(blocks)
    left = np.array([jacobian[blocks == k].T @ jacobian[blocks == k] for k in numbers])
    right = np.array([jacobian[blocks == k].T @ residual[blocks == k] for k in numbers])
    whole, side = left.sum(axis=0), right.sum(axis=0)
    steps = np.stack([np.linalg.lstsq(whole - a, side - b, rcond=None)[0] for a, b in zip(left, right, strict=True)])
    steps -= steps.mean(axis=0)
    return (len(numbers) - 1) / len(numbers) * steps.T @ steps, len(numbers) - 1


def _blocks(windows: int) -> int:
    """Number of blocks of neighbouring windows."""
    return max(LEAST_BLOCKS, windows // BLOCK)


def _vagueness(values: Array, start: Array, jacobian: Array, covariance: Array) -> Array:
    """Standard deviations over sizes, (k,); infinite for what a combination is made of that changes nothing in the prediction."""
    size = np.maximum(np.abs(values), np.abs(start))
    size = np.where(size > 0.0, size, 1.0)
    vague = np.sqrt(np.diag(covariance)) / size
    if not size.size:
        return vague
    _, singular, right = np.linalg.svd(jacobian * size, full_matrices=False)
    silent = right[singular < 1e-6 * max(singular[0], 1e-300)]
    vague[np.any(np.abs(silent) > 0.5, axis=0)] = math.inf
    return np.asarray(vague)


def _scores(fit: _Fit, names: list[str], samples: _Samples) -> tuple[dict[str, Score], str]:
    """Out of sample: every fold predicted from the others."""
    runs = len(np.unique(samples.run))
    fold = samples.run if runs >= 3 else np.arange(len(samples.run)) * FOLDS // len(samples.run)
    signal = samples.signal
    one, grade = np.ones(len(signal)), samples.mean(np.sin(samples.along_slope))
    predicted = {
        "constant": leave_one_run_out(one[:, None], signal, fold),
        "constant_grade": leave_one_run_out(np.stack((one, grade), axis=1), signal, fold),
        "described": fit.predict([], fit.values([])), "refit": np.full(len(signal), np.nan),
    }  # fmt: skip
    for number in np.unique(fold):
        values, _ = fit.solve(names, fold != number)
        predicted["refit"][fold == number] = fit.predict(names, values)[fold == number]
    named = {name: score(signal, values) for name, values in predicted.items()}
    return named, f"{runs} runs" if runs >= 3 else f"{FOLDS} stretches of time"


def _estimate(
    rover: RoverParameters, name: str, values: Array, spread: Array, reach: Array, index: int | None
) -> Estimate:
    before = value_of(rover, name)
    unit = next(row["unit"] for row in describe(RoverParameters) if row["name"] == name)
    if index is None:
        return Estimate(name, before, before, math.nan, math.nan, math.nan, unit, False)
    value, around = float(values[index]), float(reach[index])
    return Estimate(name, before, value, float(spread[index]), value - around, value + around, unit, True)


def _findings(held: list[str], quantity: str, samples: _Samples, scores: dict[str, Score]) -> tuple[str, ...]:
    found = [f"{name} is not told by these drives and keeps its value" for name in held]
    if quantity == "current":
        found.append(
            "currents without voltage leave the scale open: resistance and turning moment are in proportion to the mass given"
        )
    spread = float(np.std(samples.speed)) / max(float(np.mean(samples.speed)), 1e-9)
    if spread < 0.1:
        found.append(f"speed was nearly constant (spread {100.0 * spread:.0f} %): how resistance grows with speed is not told")
    if not scores["refit"].rmse < scores["constant_grade"].rmse:
        found.append("out of sample the refit is no better than a constant plus grade: do not plan with it")
    return tuple(found)
