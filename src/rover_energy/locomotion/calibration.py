"""Calibration of the demand model against driving logs, with every accuracy figure out of sample by run.

The model is the package's own demand at steady driving. Measured at the bus it reads

    P = P_base + k [(c0 + m g sin phi) v + M_turn |omega|],

and measured as motor current, which goes with wheel torque and not with power, P / v of the same,

    I = k [c0 + m g sin phi + M_turn |omega| / v_mean].

Both are linear in their unknowns. Without mass and voltage only ratios can be known: c0/(m g), the rolling coefficient,
and M_turn/(m g), a length. A mass given by the user turns them into a fragment of rover.yaml.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.locomotion.drive_log import DriveLog, Windows, average_windows
from rover_energy.locomotion.scoring import BinError, Interval, Score, bin_errors, bootstrap, leave_one_run_out, score

Array = NDArray[np.float64]
EARTH_GRAVITY = 9.80665
SLOPE_EDGES = (-90.0, -12.0, -8.0, -4.0, -1.0, 1.0, 4.0, 8.0, 12.0, 90.0)
"""Edges of the bins by slope along the heading [deg]."""
TURN_EDGES = (0.0, 0.03, 0.06, 0.1, 0.2, math.inf)
"""Edges of the bins by mean |yaw rate| [rad/s]."""
LEAST_GAIN = 0.01
"""A speed term that raises the out-of-sample R2 by less than this is called not identifiable."""


@dataclass(frozen=True)
class ModelResult:
    """One regression: its terms, coefficients on all data with 90 % intervals over runs, and its score."""

    name: str
    terms: tuple[str, ...]
    coefficients: tuple[float, ...]
    intervals: tuple[Interval, ...]
    out_of_sample: Score
    in_sample: Score


@dataclass(frozen=True)
class CalibrationResult:
    """Outcome of `calibrate`.

    models: 'demand' is the model of the package; 'constant' and 'constant_grade' are the yardsticks; the others say what
    the rest of the error is made of. ratios: rolling = c0/(m g) [-], turn = M_turn/(m g) [m], and for power also
    base [W] and weight = m g/eta [N], each with value and 90 % interval. slope_bins, turn_bins: errors of 'demand' out of
    sample. findings: what the data cannot tell, in words.
    """

    quantity: str
    runs: int
    windows: int
    rejected: int
    seconds: float
    gravity: float
    mean_speed: float
    models: tuple[ModelResult, ...]
    ratios: dict[str, tuple[float, Interval]]
    slope_bins: tuple[BinError, ...]
    turn_bins: tuple[BinError, ...]
    findings: tuple[str, ...]
    seed: int

    def model(self, name: str) -> ModelResult:
        """The model of that name. Raises InputError when there is none."""
        for candidate in self.models:
            if candidate.name == name:
                return candidate
        raise InputError("calibration", "model", "unknown name", f"use one of {', '.join(m.name for m in self.models)}", name)

    def to_json(self) -> str:
        """The whole result as JSON text; NaN as null, for readers that follow the standard."""
        return json.dumps(_without_nan(asdict(self)), indent=2, allow_nan=False)

    def table(self) -> str:
        """Scores, ratios, errors by bin and findings as text for people."""
        from rover_energy.locomotion.calibration_text import format_result

        return format_result(self)

    def yaml_fragment(self, *, mass: float, gravity: float, drivetrain_efficiency: float | None = None) -> str:
        """Fragment of rover.yaml for a rover of `mass` [kg] under `gravity` [m/s2] of its mission.

        Parameters
        ----------
        mass : float
            Mass [kg]: the logs must be of this rover.
        gravity : float
            Where it will drive; rolling and turning resistance are taken as proportional to weight, which is an assumption
            wherever it differs from the gravity of the logs.
        drivetrain_efficiency : float, optional
            Needed with currents, which leave it unknown; with power it is the result of the fit.

        Raises
        ------
        InputError
            When the fit has a sign that physics forbids, or gives an efficiency outside 0..1.
        """
        from rover_energy.locomotion.calibration_text import format_fragment

        return format_fragment(self, mass, gravity, drivetrain_efficiency)


def calibrate(
    logs: Sequence[DriveLog],
    *,
    seconds: float = 3.0,
    least_speed: float = 0.15,
    gravity: float = EARTH_GRAVITY,
    with_acceleration: bool = False,
    resamples: int = 500,
    seed: int = 0,
) -> CalibrationResult:
    """Fit the demand model to logs and measure how well it predicts runs that it has not seen.

    Parameters
    ----------
    logs : sequence of DriveLog
        At least 3 runs that measure the same quantity.
    seconds, least_speed : float
        As in `average_windows`.
    gravity : float
        Where the logs were taken [m/s2].
    with_acceleration : bool
        Put sin phi + a/g for sin phi. Off by default: averaged over seconds a is small, and with GPS mostly noise.
    resamples : int
        Bootstrap samples for the 90 % intervals. Whole runs are drawn, as windows of one run are not independent.
    seed : int
        Of the bootstrap.

    Returns
    -------
    CalibrationResult

    Raises
    ------
    InputError
        When there are too few runs or windows, or the logs do not fit together.
    """
    windows = average_windows(logs, seconds=seconds, least_speed=least_speed)
    runs = len(np.unique(windows.run))
    if runs < 3:
        raise InputError("logs", "runs", "fewer than 3 hold usable driving", "give more runs: accuracy is measured by run", runs)
    if not gravity > 0.0:
        raise InputError("calibration", "gravity", "is not positive", "give it in m/s2", gravity)
    designs = _designs(windows, gravity if with_acceleration else math.inf)
    models = tuple(_fit(name, terms, matrix, windows, resamples, seed) for name, (terms, matrix) in designs.items())
    predicted = leave_one_run_out(designs["demand"][1], windows.signal, windows.run)
    residual = predicted - windows.signal
    result = CalibrationResult(
        quantity=windows.quantity,
        runs=runs,
        windows=len(windows),
        rejected=windows.rejected,
        seconds=seconds,
        gravity=gravity,
        mean_speed=float(np.mean(windows.speed)),
        models=models,
        ratios=_ratios(designs["demand"][1], windows, resamples, seed),
        slope_bins=bin_errors(np.degrees(np.arcsin(windows.grade)), SLOPE_EDGES, windows.signal, residual),
        turn_bins=bin_errors(windows.turning, TURN_EDGES, windows.signal, residual),
        findings=_findings(models, windows),
        seed=seed,
    )
    return result


def _designs(windows: Windows, gravity: float) -> dict[str, tuple[tuple[str, ...], Array]]:
    """Terms and design matrix of every model, for the measured quantity."""
    one, v = np.ones(len(windows)), windows.speed
    grade = windows.grade + windows.acceleration / gravity
    work = windows.speed_grade + windows.speed_acceleration / gravity
    turning, net = windows.turning, windows.net_turning
    driving: tuple[Array, ...] = (one, grade)
    terms: tuple[str, ...] = ("1", "sin phi")
    speed_term, speed, curved = "v", v, windows.grade**2
    if windows.quantity == "power":
        driving, terms = (one, v, work), ("1", "v", "v sin phi")
        speed_term, speed, curved = "v^2", v**2, v * windows.grade**2
    table = {
        "constant": (("1",), (one,)),
        "constant_grade": (("1", "sin phi"), (one, grade)),
        "demand": ((*terms, "mean |omega|"), (*driving, turning)),
        "demand_net_turn": ((*terms, "|mean omega|"), (*driving, net)),
        "with_speed": ((*terms, "mean |omega|", speed_term), (*driving, turning, speed)),
        "with_root_turn": ((*terms, "sqrt |omega|"), (*driving, np.sqrt(turning))),
        "with_curved_grade": ((*terms, "mean |omega|", "sin^2 phi"), (*driving, turning, curved)),
    }
    return {name: (labels, np.stack(columns, axis=1)) for name, (labels, columns) in table.items()}


def _fit(name: str, terms: tuple[str, ...], matrix: Array, windows: Windows, resamples: int, seed: int) -> ModelResult:
    coefficients, *_ = np.linalg.lstsq(matrix, windows.signal, rcond=None)
    samples = bootstrap(matrix, windows.signal, windows.run, resamples, seed)
    return ModelResult(
        name=name,
        terms=terms,
        coefficients=tuple(float(value) for value in coefficients),
        intervals=tuple(Interval.of(column) for column in samples.T),
        out_of_sample=score(windows.signal, leave_one_run_out(matrix, windows.signal, windows.run)),
        in_sample=score(windows.signal, matrix @ coefficients),
    )


def _ratios(matrix: Array, windows: Windows, resamples: int, seed: int) -> dict[str, tuple[float, Interval]]:
    """Rolling and turn ratios with intervals, formed in every bootstrap sample as numerator and denominator go together."""
    fitted, *_ = np.linalg.lstsq(matrix, windows.signal, rcond=None)
    samples = np.vstack((fitted, bootstrap(matrix, windows.signal, windows.run, resamples, seed)))
    if windows.quantity == "power":
        base, rolling, weight, turn = samples.T
        values = {"rolling": rolling / weight, "turn": turn / weight, "base": base, "weight": weight}
    else:
        rolling, weight, turn = samples.T
        # Turning power is torque times wheel speed: at the mean speed the current's share of it is M_turn |omega| / v.
        values = {"rolling": rolling / weight, "turn": turn * float(np.mean(windows.speed)) / weight}
    return {name: (float(column[0]), Interval.of(column[1:])) for name, column in values.items()}


def _findings(models: Sequence[ModelResult], windows: Windows) -> tuple[str, ...]:
    by_name = {model.name: model for model in models}
    demand, speed = by_name["demand"], by_name["with_speed"]
    gain = speed.out_of_sample.r2 - demand.out_of_sample.r2
    interval = speed.intervals[-1]
    spread = float(np.std(windows.speed) / np.mean(windows.speed))
    found = []
    if gain < LEAST_GAIN or interval.low <= 0.0 <= interval.high:
        found.append(
            f"c1 and c2 are not identifiable: a speed term changes R2 by {gain:+.3f}, its 90 % interval is {interval.low:.3g} to "
            f"{interval.high:.3g}, and speed varies by {100 * spread:.0f} % only; the fragment sets both to 0"
        )
    else:
        found.append(
            f"speed matters (R2 {gain:+.3f}), but one term cannot part c1 from c2, nor either from a constant load; "
            "the fragment still sets both to 0: drive at several speeds on level ground"
        )
    if windows.quantity == "current":
        found.append("the scale is unknown: currents without voltage and mass give ratios, no watts")
        found.append(
            "the sum of current magnitudes counts braking of the inner wheels as demand: the turn term is an upper bound"
        )
        found.append("motor current leaves the constant loads out and cannot tell drivetrain efficiency or slip")
    else:
        found.append("mass and drivetrain efficiency enter as m g/eta only; slip is in c0 and the grade term")
    planned = by_name["demand_net_turn"].out_of_sample.r2
    found.append(
        f"R2 {demand.out_of_sample.r2:.2f} takes the yaw rate as it was driven; with the net yaw rate of each window, which is "
        f"what a smooth plan knows, it is {planned:.2f}"
    )
    return tuple(found)


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
