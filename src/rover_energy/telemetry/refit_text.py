"""A refit as text: a table for people, a rover.yaml for the planner."""

from __future__ import annotations

import yaml

from rover_energy.parameters import to_mapping
from rover_energy.telemetry.refit import Estimate, RefitResult

LABELS = {
    "refit": "refit", "described": "rover as described", "constant_grade": "constant + grade", "constant": "constant",
}  # fmt: skip


def format_refit(result: RefitResult, gravity: float) -> str:
    """Estimates, scores and findings."""
    unit = "W" if result.quantity == "power" else "A"
    lines = [
        f"{result.quantity}: {result.windows} windows of {result.seconds:g} s from {result.runs} runs, at {gravity:.4g} m/s2", "",
        f"{'parameter':<52}{'before':>10}{'after':>10}{'sd':>10}   90 %",
        *(_row(estimate) for estimate in result.estimates), "",
        f"out of sample, by {result.folds}",
        f"{'model':<22}{'R2':>8}{'MAPE':>9}{'RMSE':>11}",
    ]  # fmt: skip
    for name, label in LABELS.items():
        found = result.scores[name]
        lines.append(f"{label:<22}{found.r2:>8.3f}{100.0 * found.mape:>7.1f} %{found.rmse:>9.3f} {unit}")
    return "\n".join([*lines, *([""] if result.findings else []), *(f"- {finding}" for finding in result.findings)])


def _row(estimate: Estimate) -> str:
    name = f"{estimate.name} [{estimate.unit}]"
    if not estimate.told:
        return f"{name:<52}{estimate.before:>10.4g}{'kept':>10}"
    span = f"[{estimate.low:.4g}, {estimate.high:.4g}]"
    return f"{name:<52}{estimate.before:>10.4g}{estimate.value:>10.4g}{estimate.deviation:>10.2g}   {span}"


def rover_text(result: RefitResult, gravity: float) -> str:
    """rover.yaml with the new values, which says where they come from."""
    scores = result.scores
    told = [estimate for estimate in result.estimates if estimate.told]
    lines = [
        f"# refitted on {result.windows} windows of {result.seconds:g} s from {result.runs} runs at {gravity:.4g} m/s2",
        f"# out of sample by {result.folds}: R2 {scores['refit'].r2:.3f}, constant + grade {scores['constant_grade'].r2:.3f}",
        *(f"# {e.name} = {e.value:.6g} {e.unit}, sd {e.deviation:.2g}, 90 % [{e.low:.6g}, {e.high:.6g}]" for e in told),
        *(f"# {finding}" for finding in result.findings),
    ]
    return "\n".join(lines) + "\n" + yaml.safe_dump(to_mapping(result.rover), sort_keys=False, allow_unicode=True)
