"""Calibration results as text: tables for people, a fragment of rover.yaml for the planner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rover_energy.errors import InputError
from rover_energy.locomotion.scoring import BinError

if TYPE_CHECKING:
    from rover_energy.locomotion.calibration import CalibrationResult


def format_result(result: CalibrationResult) -> str:
    """Scores, ratios, errors by bin and findings."""
    unit = "W" if result.quantity == "power" else "A"
    lines = [
        f"{result.quantity}: {result.windows} windows of {result.seconds:g} s from {result.runs} runs "
        f"({result.rejected} windows rejected), mean speed {result.mean_speed:.2f} m/s",
        "",
        "scores are out of sample by run, brackets are 90 % intervals over runs",
        f"{'model':<18}{'R2':>7}{'MAPE':>8}{'RMSE':>9}   in sample   coefficients",
    ]
    for model in result.models:
        out = model.out_of_sample
        terms = zip(model.terms, model.coefficients, model.intervals, strict=True)
        shown = ", ".join(f"{term}: {value:.3g} [{span.low:.3g}, {span.high:.3g}]" for term, value, span in terms)
        lines.append(
            f"{model.name:<18}{out.r2:>7.3f}{100 * out.mape:>6.1f} %{out.rmse:>7.2f} {unit}{model.in_sample.r2:>12.3f}   {shown}"
        )
    lines += ["", "ratios of 'demand'"]
    for name, (value, span) in result.ratios.items():
        lines.append(f"  {name:<8} {value:.4g} [{span.low:.4g}, {span.high:.4g}]")
    lines += _bin_table("slope [deg]", result.slope_bins, unit) + _bin_table("mean |yaw rate| [rad/s]", result.turn_bins, unit)
    return "\n".join([*lines, "", *(f"- {finding}" for finding in result.findings)])


def _bin_table(title: str, bins: Sequence[BinError], unit: str) -> list[str]:
    lines = ["", f"{title:<26}{'windows':>8}{'measured':>11}{'bias':>9}{'MAPE':>9}      ('demand', out of sample)"]
    for row in bins:
        span = f"{row.low:g} .. {row.high:g}"
        lines.append(f"{span:<26}{row.count:>8}{row.measured:>9.2f} {unit}{row.bias:>+9.2f}{100 * row.mape:>7.1f} %")
    return lines


def format_fragment(result: CalibrationResult, mass: float, gravity: float, drivetrain_efficiency: float | None) -> str:
    """Fragment of rover.yaml; see `CalibrationResult.yaml_fragment`."""
    if not (mass > 0.0 and math.isfinite(mass)):
        raise InputError("calibration", "mass", "is not positive", "give the rover's mass in kg", mass)
    if not (gravity > 0.0 and math.isfinite(gravity)):
        raise InputError("calibration", "gravity", "is not positive", "give it in m/s2", gravity)
    rolling, turn = result.ratios["rolling"], result.ratios["turn"]
    for name, (value, _) in (("rolling", rolling), ("turn", turn)):
        if not value >= 0.0:
            raise InputError("calibration", name, "has a sign that physics forbids", "log more slopes and turns", value)
    efficiency = _efficiency(result, mass, drivetrain_efficiency)
    weight = mass * gravity
    demand = result.model("demand").out_of_sample
    return "\n".join(
        [
            f"# calibrated on {result.runs} runs, {result.windows} windows of {result.seconds:g} s; out of sample by run: "
            f"R2 {demand.r2:.2f}, MAPE {100 * demand.mape:.0f} %",
            f"# c0/(m g) = {rolling[0]:.3g} [{rolling[1].low:.3g}, {rolling[1].high:.3g}], "
            f"M_turn/(m g) = {turn[0]:.3g} [{turn[1].low:.3g}, {turn[1].high:.3g}] m (90 % over runs)",
            *(f"# {finding}" for finding in result.findings),
            "locomotion:",
            f"  mass: {mass:.6g}  # kg, as given",
            "  resistance:",
            "    model: polynomial",
            f"    c0: {rolling[0] * weight:.6g}  # N",
            "    c1: 0.0  # N s/m",
            "    c2: 0.0  # N s2/m2",
            f"  turn_moment: {turn[0] * weight:.6g}  # N m",
            "  slip: {flat: 0.0}  # contained in the other terms",
            f"  drivetrain_efficiency: {efficiency:.6g}",
            "",
        ]
    )


def _efficiency(result: CalibrationResult, mass: float, given: float | None) -> float:
    if "weight" not in result.ratios:
        if given is None or not 0.0 < given <= 1.0:
            raise InputError(
                "calibration", "drivetrain_efficiency", "is not known from currents", "give a value above 0 and up to 1", given
            )
        return given
    fitted = mass * result.gravity / result.ratios["weight"][0]
    if not 0.0 < fitted <= 1.0:
        raise InputError("calibration", "drivetrain_efficiency", "comes out outside 0 to 1", "check mass and units", fitted)
    return fitted
