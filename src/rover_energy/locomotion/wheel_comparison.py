"""Wheel-soil predictions against digitised single-wheel experiments; nothing is fitted and nothing is left out.

Three predictions are compared: 'closed' are the closed forms of `rover_energy.locomotion.soil`, which the planner uses;
'no_bulldozing' are the same without the bulldozing term; 'integral' is `rover_energy.locomotion.rigid_wheel`. Wheels with
grousers are given the radius to the tips.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.locomotion.rigid_wheel import solve_wheel
from rover_energy.locomotion.soil import (
    SoilParameters,
    WheelParameters,
    bulldozing_resistance,
    compaction_resistance,
    sinkage,
    traction,
)

Array = NDArray[np.float64]
EARTH_GRAVITY = 9.80665
QUANTITIES = {
    "drawbar_pull": ("meas_drawbar_pull_n", "N"),
    "sinkage": ("meas_sinkage_m", "m"),
    "torque": ("meas_torque_nm", "N m"),
}
PREDICTIONS = ("closed", "no_bulldozing", "integral")


@dataclass(frozen=True)
class Experiment:
    """One measured point. `measured` maps the quantities of `QUANTITIES` to values, NaN where not reported."""

    source: str
    case: str
    grousers: bool
    soil: SoilParameters
    wheel: WheelParameters
    load: float
    slip: float
    measured: dict[str, float]


@dataclass(frozen=True)
class ErrorRow:
    """Errors of one prediction for one source, wheel type and quantity.

    count: points. bias: mean of predicted less measured. median, worst_tenth: 50 % and 90 % quantiles of the magnitude, in
    the unit of the quantity. relative_median, relative_worst_tenth: the same over the measured magnitude. zeros: points
    whose measured value is 0, which have no relative error.
    """

    source: str
    wheel: str
    quantity: str
    unit: str
    prediction: str
    count: int
    bias: float
    median: float
    worst_tenth: float
    relative_median: float
    relative_worst_tenth: float
    zeros: int


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError):
        raise InputError(str(path), "file", "cannot be read", "check ROVER_ENERGY_DATA") from None
    if not rows:
        raise InputError(str(path), "rows", "the table is empty", "check the file")
    return rows


def _number(source: str, row: dict[str, str], key: str, *, empty: bool = False) -> float:
    text = row.get(key)
    if empty and text is not None and not text.strip():
        return math.nan
    try:
        return float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(source, key, "is missing or not a number", "check the column", text) from None


def read_soils(path: str | Path) -> dict[str, SoilParameters]:
    """Soils by name from a table with the columns of `soil_simulants.csv` (kN and kPa, degrees).

    The bulldozing factors follow from the friction angle; K is not in the table and keeps its default. Raises InputError.
    """
    source = str(path)
    return {
        row["simulant"]: SoilParameters(
            exponent=_number(source, row, "n"),
            cohesive_modulus=1e3 * _number(source, row, "k_c_kN_per_m_n_plus_1"),
            frictional_modulus=1e3 * _number(source, row, "k_phi_kN_per_m_n_plus_2"),
            cohesion=1e3 * _number(source, row, "cohesion_kPa"),
            friction_angle=math.radians(_number(source, row, "friction_angle_deg")),
            bulldozing_cohesion_factor=None,
            bulldozing_weight_factor=None,
            density=_number(source, row, "density_kg_per_m3"),
        )
        for row in _rows(Path(path))
    }


def read_experiments(folder: str | Path) -> list[Experiment]:
    """Every point of `single_wheel_experiments.csv` with its soil from `soil_simulants.csv`. Raises InputError."""
    soils = read_soils(Path(folder) / "soil_simulants.csv")
    path = Path(folder) / "single_wheel_experiments.csv"
    return [_experiment(str(path), row, soils) for row in _rows(path)]


def _experiment(source: str, row: dict[str, str], soils: dict[str, SoilParameters]) -> Experiment:
    if row["soil_simulant"] not in soils:
        raise InputError(source, "soil_simulant", "is not in the table of soils", "add it there", row["soil_simulant"])
    grouser = _number(source, row, "grouser_height_m")
    radius = _number(source, row, "wheel_radius_m") + grouser
    return Experiment(
        source=row["source"],
        case=row["case_id"],
        grousers=grouser > 0.0,
        soil=replace(soils[row["soil_simulant"]], shear_modulus=_number(source, row, "soil_shear_modulus_k_m")),
        wheel=WheelParameters(
            count=1,
            bulldozing_count=1,
            diameter=2.0 * radius,
            width=_number(source, row, "wheel_width_m"),
            rolling_coefficient=0.0,
        ),
        load=_number(source, row, "vertical_load_n"),
        slip=_number(source, row, "slip"),
        measured={name: _number(source, row, column, empty=True) for name, (column, _) in QUANTITIES.items()},
    )


def predict(point: Experiment, prediction: str) -> dict[str, float]:
    """Drawbar pull [N], sinkage [m] and torque [N m] of one point by one of `PREDICTIONS`.

    The closed forms take radius times gross traction for the torque. Raises InputError for another prediction.
    """
    if prediction == "integral":
        state = solve_wheel(point.soil, point.wheel, load=point.load, slip=point.slip)
        return {"drawbar_pull": state.drawbar_pull, "sinkage": state.sinkage, "torque": state.torque}
    if prediction not in PREDICTIONS:
        raise InputError("comparison", "prediction", "unknown choice", f"use one of {', '.join(PREDICTIONS)}", prediction)
    gross = float(traction(point.soil, point.wheel, point.load, point.slip))
    resistance = float(compaction_resistance(point.soil, point.wheel, point.load))
    if prediction == "closed":
        resistance += float(bulldozing_resistance(point.soil, point.wheel, point.load, EARTH_GRAVITY))
    return {
        "drawbar_pull": gross - resistance,
        "sinkage": float(sinkage(point.soil, point.wheel, point.load)),
        "torque": gross * point.wheel.diameter / 2.0,
    }


def compare(points: list[Experiment]) -> list[ErrorRow]:
    """Errors by source, wheel type (smooth, grousers), quantity and prediction, for every point with a measured value."""
    groups = sorted({(point.source, point.grousers) for point in points})
    rows = []
    for source, grousers in groups:
        members = [point for point in points if (point.source, point.grousers) == (source, grousers)]
        predictions = {name: [predict(point, name) for point in members] for name in PREDICTIONS}
        for quantity, (_, unit) in QUANTITIES.items():
            measured = np.array([point.measured[quantity] for point in members])
            for name in PREDICTIONS:
                predicted = np.array([values[quantity] for values in predictions[name]])
                if np.isfinite(measured).any():
                    wheel = "grousers" if grousers else "smooth"
                    rows.append(_error_row(source, wheel, quantity, unit, name, measured, predicted))
    return rows


def _error_row(source: str, wheel: str, quantity: str, unit: str, prediction: str, measured: Array, predicted: Array) -> ErrorRow:
    known = np.isfinite(measured)
    error = predicted[known] - measured[known]
    nonzero = measured[known] != 0.0
    relative = np.abs(error[nonzero] / measured[known][nonzero])
    return ErrorRow(
        source=source,
        wheel=wheel,
        quantity=quantity,
        unit=unit,
        prediction=prediction,
        count=int(np.sum(known)),
        bias=float(np.mean(error)),
        median=float(np.median(np.abs(error))),
        worst_tenth=float(np.quantile(np.abs(error), 0.9)),
        relative_median=float(np.median(relative)) if len(relative) else math.nan,
        relative_worst_tenth=float(np.quantile(relative, 0.9)) if len(relative) else math.nan,
        zeros=int(np.sum(~nonzero)),
    )


def format_table(rows: list[ErrorRow]) -> str:
    """The rows as text: absolute errors in the unit of the quantity, relative errors in percent of the measured value."""
    lines = [
        f"{'source':<22}{'wheel':<10}{'quantity':<14}{'model':<15}{'n':>3}{'bias':>10}{'median':>10}{'90 %':>10} unit"
        f"{'median':>9}{'90 %':>9}  (relative; zeros)"
    ]
    for row in rows:
        relative = f"{100 * row.relative_median:>7.0f} %{100 * row.relative_worst_tenth:>7.0f} %"
        lines.append(
            f"{row.source:<22}{row.wheel:<10}{row.quantity:<14}{row.prediction:<15}{row.count:>3}{row.bias:>+10.3g}{row.median:>10.3g}"
            f"{row.worst_tenth:>10.3g} {row.unit:<4}{relative}  {row.zeros}"
        )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Print the table for the folder given as the only argument (the `wheel` folder of the reference data)."""
    import sys

    folder = (arguments if arguments is not None else sys.argv[1:])[:1]
    if not folder:
        print("usage: python -m rover_energy.locomotion.wheel_comparison FOLDER", file=sys.stderr)
        return 2
    try:
        print(format_table(compare(read_experiments(folder[0]))))
    except InputError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
