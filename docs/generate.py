"""Write the generated parts of the documentation: `python docs/generate.py`, or `--check` to see whether they are current.

A generated part stands between two comment lines that name it. Everything around it is written by hand.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rover_energy.inference.variant import Variant
from rover_energy.mission import MissionParameters
from rover_energy.nodes import settings, topics
from rover_energy.nodes.inference_settings import INFERENCE
from rover_energy.parameters import Parameters, describe
from rover_energy.planning import model, optimiser, transcription, world
from rover_energy.planning.refusal import REMEDIES
from rover_energy.power.pv import array_gain
from rover_energy.rover import RoverParameters
from rover_energy.views import beacon, foxglove_layout, signals

DOCS = Path(__file__).resolve().parent
SOLAR_CONSTANT = 1361.0  # [W/m2]


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def number(value: Any, unit: str = "-") -> str:
    """A default or a bound as people read it; angles also in degrees."""
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        degrees = f" ({math.degrees(value):.4g} deg)" if unit == "rad" and value else ""
        return f"{value:.6g}{degrees}"
    if isinstance(value, tuple):
        return f"`{list(value)}`"
    return f"`{value}`" if isinstance(value, str) else str(value)


def bounds(row: dict[str, Any]) -> str:
    """What values are allowed."""
    if row["choices"]:
        return ", ".join(f"`{choice}`" for choice in row["choices"])
    low, high = row["minimum"], row["maximum"]
    if math.isfinite(low) and math.isfinite(high):
        return f"{low:g} .. {high:g}"
    return f"at least {low:g}" if math.isfinite(low) else (f"at most {high:g}" if math.isfinite(high) else "")


def parameter_table(cls: type[Parameters]) -> str:
    """Every field of a parameter file."""
    return table(
        ("field", "default", "unit", "allowed", "meaning"),
        (
            (
                f"`{row['name']}`", number(row["default"], row["unit"]), "" if row["unit"] == "-" else row["unit"], bounds(row),
                row["description"] + (f" ({row['source']})" if row["source"] else ""),
            )
            for row in describe(cls)
        ),
    )  # fmt: skip


def remedy_table() -> str:
    """What is advised when a constraint binds."""
    rows = ((f"`{name}`", "; ".join(texts)) for name, texts in REMEDIES.items())
    return table(("constraint", "what may help, in this order"), rows)


def smoothing_table() -> str:
    """Where the optimiser's model rounds a kink, and by how many watts at most with the default rover."""
    rover = RoverParameters()
    gain = 1.0 / rover.locomotion.drivetrain_efficiency
    scrub = gain * rover.locomotion.turn_moment
    light = SOLAR_CONSTANT * float(array_gain(rover.pv))
    drive, spin, supply = model._DRIVE_EPSILON, model._SPIN_EPSILON, model._SUPPLY_EPSILON
    turn, incidence, taper = model._TURN_EPSILON, model._INCIDENCE_EPSILON, 1e-3
    taken = taper * rover.battery.max_discharge_power
    dark = 0.150 * incidence * light  # 0.150 epsilon is the largest shortfall of `lower_positive`
    rows = (
        ("max(0, F v/(1 - s)), drive power", f"{drive:g} W", "demand over", 0.5 * drive * gain, "at zero drive power"),
        ("max(0, I_z alpha omega), yaw inertia", f"{spin:g} W", "demand over", 0.5 * spin * gain, "at zero yaw inertia power"),
        ("abs(omega), in the energies only", f"{turn:g} rad/s", "demand over", turn * scrub, "when not turning"),
        ("max(0, n . s), light on the array", f"{incidence:g}", "supply under", dark, "Sun in the panel's plane"),
        ("min(available, power limit)", f"{supply:g} W", "supply under", 0.5 * supply, "where both are equal"),
        ("battery intake, two minima", f"{supply:g} W", "storing under", supply, "at most, near a change of its law"),
        ("taper of the battery's limits", f"{taper:g}", "limit under", 0.5 * taken, "where the taper begins"),
    )
    return table(
        ("exact law", "epsilon", "side of the error", "worst [W]", "where"),
        ((law, epsilon, f"{side}-stated", f"{worst:.3f}", where) for law, epsilon, side, worst, where in rows),
    )


def margin_table() -> str:
    """What the optimiser keeps back from the limits, for what happens between its samples."""
    shares = [(f"`limits.{name}`", f"{100.0 * (1.0 - share):.2f} % of the limit") for name, share in world.HELD_BACK.items()]
    rest = [
        ("power", f"{transcription.POWER_MARGIN:g} W"),
        ("battery floor, energy budget", f"{transcription.ENERGY_MARGIN:g} J"),
        ("keep-outs", f"{world.CLEARANCE_MARGIN:g} m, for the rounding of corners by the spline"),
        ("border of the map", f"{world.EDGE_MARGIN:g} m"),
        ("pieces", f"{transcription.PIECES_PER_METRE:g} per metre, {transcription.LEAST_PIECES} to {transcription.MOST_PIECES}"),
        ("tolerance of the solver", f"{optimiser.TOLERANCE:g}, in units of each row"),
    ]
    return table(("limit", "kept back, or setting"), [*shares, *rest])


def node_tables() -> str:
    """The parameters of every node."""
    groups = {**settings.ALL, **settings.INSTEAD, **INFERENCE}
    return "\n\n".join(f"### {name}\n\n{parameter_table(group)}" for name, group in groups.items())


def signal_table() -> str:
    """What is drawn, from where."""
    rows = ((s.panel, s.label, s.unit, f"`{s.topic}`", f"`{s.path}`") for s in signals.SIGNALS)
    return table(("chart", "curve", "unit", "topic", "field"), rows)


def view_table() -> str:
    """Topics that the Foxglove views add."""
    fields = ", ".join(f"`{name}` ({text})" for name, text in foxglove_layout.POWER_FIELDS.items())
    told = {
        foxglove_layout.POWER_VIEW: fields, foxglove_layout.SCENE: "ground of the plan's folder and the rover, every 5 s",
        foxglove_layout.ROUTE: "the way driven, coloured by total load",
        foxglove_layout.TRANSFORMS: "`map` to `base_link`, from odom",
    }  # fmt: skip
    rows = ((f"`{name}`", f"`{kind}`", told[name]) for name, kind in foxglove_layout.ADDED.items())
    return table(("topic", "schema", "what"), rows)


def beacon_table() -> str:
    """Fields of the lines for slow links."""
    rows = ((f"`{f.letter}`", f.meaning, f.unit, f"{f.resolution:g}") for f in beacon.FIELDS)
    return table(("letter", "value", "unit", "resolution"), rows)


PARTS: dict[str, tuple[str, Callable[[], str]]] = {
    "rover.yaml": ("formats.md", lambda: parameter_table(RoverParameters)),
    "mission.yaml": ("formats.md", lambda: parameter_table(MissionParameters)),
    "remedies": ("planning.md", remedy_table),
    "smoothing": ("physics_planning.md", smoothing_table),
    "margins": ("physics_planning.md", margin_table),
    "topics": ("topics.md", topics.markdown),
    "signals": ("views.md", signal_table),
    "view topics": ("views.md", view_table),
    "slow link": ("views.md", beacon_table),
    "node parameters": ("topics.md", node_tables),
    "variant": ("inference.md", lambda: parameter_table(Variant)),
}


def filled(name: str, text: str, content: str) -> str:
    """The page with one generated part replaced. Raises ValueError when the page has no place for it."""
    first, last = f"<!-- generated: {name} (python docs/generate.py) -->", f"<!-- end: {name} -->"
    pattern = re.compile(re.escape(first) + ".*?" + re.escape(last), re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"no place for {name!r}: add the lines {first} and {last}")
    return pattern.sub(lambda _: f"{first}\n\n{content}\n\n{last}", text)


def pages() -> dict[Path, str]:
    """Every page with generated parts, as it should read."""
    result: dict[Path, str] = {}
    for name, (page, make) in PARTS.items():
        path = DOCS / page
        result[path] = filled(name, result.get(path) or path.read_text(encoding="utf-8"), make())
    return result


def main() -> int:
    """0 when everything was or is now current, 1 when `--check` finds an old page."""
    old = {path: text for path, text in pages().items() if path.read_text(encoding="utf-8") != text}
    for path, text in old.items():
        if "--check" not in sys.argv[1:]:
            path.write_text(text, encoding="utf-8")
        print(f"{path.name}: {'is not current' if '--check' in sys.argv[1:] else 'written'}")
    return 1 if old and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
