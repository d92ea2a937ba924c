"""`rover-energy forecast-score`: how good the forecasts of a bag were."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import AsJson, Quiet, check_number

if TYPE_CHECKING:
    from rover_energy.telemetry.forecast_score import Forecast, Truth


def forecast_score(
    bag: Annotated[Path, typer.Argument(help="Folder of a rosbag2 recording with PowerForecast and PowerState", metavar="BAG")],
    goal: Annotated[
        float | None,
        typer.Option("--goal-time", help="When the goal was reached, from the start of the bag [s]; default its end"),
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", help="Share of the true remainder within which a median counts as right")
    ] = 0.2,
    level: Annotated[
        float | None,
        typer.Option("--level", help="Stored energy that counts in place of the floor [J], to which few drives come"),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score forecasts of loads, available power and battery, of the time to the battery's floor and of the energy to the goal.

    Coverage of P10..P90 should be 80 %, of P50 50 %. Bias is forecast less truth. The alpha-lambda figures are the shares of
    medians within --alpha of the true remainder, for forecasts made in the first, second, third and last quarter.

    **Example:** rover-energy forecast-score drive/bag

    **Exit codes:** 0 clean, 2 unusable input, 3 done, but some forecasts were empty, or a part of
    the bag was lost.
    """
    check_number(alpha, "--alpha", 0.001, 1.0, "")
    if level is not None:
        check_number(level, "--level", 0.0, 1e12, "J")
    if goal is not None:
        check_number(goal, "--goal-time", 0.0, 1e9, "s")

    from rover_energy.cli.bag_end import finish
    from rover_energy.cli.output import Console
    from rover_energy.errors import EXIT_CLEAN, EXIT_LOSS
    from rover_energy.telemetry.forecast_bag import read_forecasts
    from rover_energy.telemetry.recording import Recording

    console = Console(as_json=as_json, quiet=quiet)
    with console.progress(2) as step:
        step("reading the bag")
        recording = Recording(bag)
        models, truth, empty = read_forecasts(recording)
        step("scoring")
        end = float(truth.time[-1]) if goal is None else float(truth.time[0]) + goal
        scores = {name: score(forecasts, truth, end, alpha, level) for name, forecasts in models.items()}
    facts = {"bag": str(bag), "empty": empty, "models": scores, "loss": recording.loss.to_mapping()}
    console.result(facts, "\n\n".join(text(*item) for item in scores.items()))
    if empty:
        console.say(f"rover-energy: {bag}: {empty} forecasts were empty and are not scored")
    finish([recording], EXIT_LOSS if empty else EXIT_CLEAN, quiet=quiet)


def score(forecasts: list[Forecast], truth: Truth, goal: float, alpha: float, level: float | None = None) -> dict[str, Any]:
    """All scores of one model as plain data."""
    from rover_energy.telemetry import forecast_score as fs

    series = {name: asdict(fs.score_series(forecasts, truth, name)) for name in ("load", "available", "battery")}
    return {
        "forecasts": len(forecasts), **series,
        "time_to_floor": asdict(fs.score_time_to_floor(forecasts, truth, alpha=alpha, level=level)),
        "energy_to_goal": asdict(fs.score_energy_to_goal(forecasts, truth, goal, alpha=alpha)),
    }  # fmt: skip


def text(name: str, scores: dict[str, Any]) -> str:
    """One model for people."""
    from rover_energy.cli.output import table

    rows, notes = [], []
    for what, unit in (("load", "W"), ("available", "W"), ("battery", "J"), ("time_to_floor", "s"), ("energy_to_goal", "J")):
        found = scores[what]
        q = found.get("quantiles", found)
        figures = (f"{q['coverage']:.2f}", f"{q['below_median']:.2f}", *(f"{q[key]:.4g}" for key in ("bias", "width", "crps")))
        rows.append((f"{what.replace('_', ' ')} [{unit}]", str(q["count"]), str(q["missing"]), *figures))
        if "alpha_lambda" in found:
            shares = ", ".join(f"{share:.2f}" for share in found["alpha_lambda"])
            notes.append(
                f"{what.replace('_', ' ')}: within {found['alpha']:g} of the truth, by quarter: {shares}; "
                f"missed {found['missed']}, false {found['false']}"
            )
    titles = ("forecast", "judged", "missing", "in P10..P90", "below P50", "bias", "width", "CRPS")
    return "\n".join([f"{name}: {scores['forecasts']} forecasts", table(titles, rows, left=1), *notes])
