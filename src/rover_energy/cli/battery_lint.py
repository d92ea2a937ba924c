"""`rover-energy battery-lint`: does a BatteryState stream say what its definition means, and what would put it right."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import AsJson, Quiet, check_number

if TYPE_CHECKING:
    from rover_energy.telemetry.battery_lint import LintLimits
    from rover_energy.telemetry.battery_series import BatterySeries
    from rover_energy.telemetry.recording import Recording

KIND = "sensor_msgs/msg/BatteryState"


def battery_lint(
    bag: Annotated[Path, typer.Argument(help="Folder of a rosbag2 recording", metavar="BAG")],
    topic: Annotated[
        list[str] | None, typer.Option("--topic", help="Only this topic; may be repeated. All BatteryState topics without it")
    ] = None,
    age: Annotated[float, typer.Option("--age", help="Most between stamp and arrival of a message [s]")] = 1.0,
    frozen: Annotated[float, typer.Option("--frozen", help="Longest time without any change while current flows [s]")] = 30.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check every sensor_msgs/BatteryState stream of a bag against its definition.

    Finds percent for 0..1, a current of the wrong sign, milli-units, kelvins, 0 for "not measured", stamps that are missing, old
    or out of order, cells that do not add up, charge that does not follow the current, values that no battery has, and sensors
    that died. Each finding has the first message, its time and value, the limit and the remedy. Below them stands what the
    normaliser (the node `battery_lint`) would do about it, and what would be left.

    **Example:** rover-energy battery-lint drive/bag

    **Exit codes:** 0 clean or warnings only, 1 at least one error was found, 2 unusable input or no such topic,
    3 done, but a part of the bag was lost (this goes before 1).
    """
    check_number(age, "--age", 0.0, 1e6, "s")
    check_number(frozen, "--frozen", 1.0, 1e6, "s")

    from rover_energy.cli.bag_end import finish
    from rover_energy.cli.output import Console
    from rover_energy.errors import EXIT_CLEAN, EXIT_FAILED
    from rover_energy.telemetry.battery_lint import LintLimits
    from rover_energy.telemetry.recording import Recording

    console = Console(as_json=as_json, quiet=quiet)
    with console.progress(2) as step:
        step("reading the bag")
        recording = Recording(bag)
        streams = read_streams(recording, tuple(topic or ()))
        step("checking")
        results = [check(series, LintLimits(age=age, frozen=frozen)) for series in streams]
    errors = sum(finding["severity"] == "error" for result in results for finding in result["findings"])
    facts = {"bag": str(bag), "streams": results, "errors": errors, "loss": recording.loss.to_mapping()}
    console.result(facts, "\n\n".join(text(result) for result in results))
    if errors:
        console.say(f"rover-energy: {bag}: {errors} findings are errors")
    finish([recording], EXIT_FAILED if errors else EXIT_CLEAN, quiet=quiet)


def read_streams(recording: Recording, topics: tuple[str, ...]) -> list[BatterySeries]:
    """One series for each topic. Raises InputError when there is none."""
    from rover_energy.errors import InputError
    from rover_energy.telemetry.battery_series import series_of

    found: dict[str, list[tuple[float, Any]]] = {}
    recording.require(topics)
    for sample, message in recording.messages((KIND,), topics):
        found.setdefault(sample.topic, []).append((1e-9 * sample.time, message))
    if not found:
        raise InputError(str(recording.path), "topics", f"none carries {KIND}", "give a bag that has one", topics or None)
    return [series_of(messages, name) for name, messages in sorted(found.items())]


def check(series: BatterySeries, limits: LintLimits) -> dict[str, Any]:
    """Findings, repairs and what the repairs leave, as plain data."""
    from rover_energy.telemetry.battery_lint import lint
    from rover_energy.telemetry.battery_normaliser import normalise

    repaired, repairs = normalise(series, limits)
    return {
        "topic": series.topic, "messages": len(series),
        "findings": [asdict(finding) | {"text": str(finding)} for finding in lint(series, limits)],
        "repairs": [asdict(repair) | {"text": str(repair)} for repair in repairs],
        "left": [asdict(finding) | {"text": str(finding)} for finding in lint(repaired, limits)],
    }  # fmt: skip


def text(result: dict[str, Any]) -> str:
    """One stream for people."""
    lines = [f"{result['topic']}: {result['messages']} messages, {len(result['findings'])} findings"]
    lines += [f"  {finding['text']}" for finding in result["findings"]]
    if result["repairs"]:
        lines += ["  the normaliser would:", *(f"    {repair['text']}" for repair in result["repairs"])]
        left = [finding["text"] for finding in result["left"]]
        lines += ["  and leave:", *(f"    {line}" for line in left)] if left else ["  and leave nothing to find"]
    return "\n".join(lines)
