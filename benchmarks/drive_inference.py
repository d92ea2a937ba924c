"""Drives with networks on the bus, through the real nodes: power above the limit, receipts above grants, hazard answers in time.

Every case is planned with the inference reserve as a constant load, driven by the graph of `rover-energy drive --inference`
with the given store, and read back from its bag. "over" is windows of 20 ms in which all loads together took more than was
available; "above" is 60 s windows and instants in which receipts were above the grants; "bus/receipts" compares what the bus
carried with the receipts' sum, "peak" is its greatest window [W]; "quotes" is the mean error of quotes against receipts [-];
"late" is hazard answers after their deadline, "gap" the longest time without one [s]. "without networks" is the drive of the
same plan without any; "busy" networks look at 256 patches five times a second, which is due before the next time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from common import parse, parser, progress, table, write_json

from rover_energy.cli.demo import demo_mission, demo_rover
from rover_energy.errors import RoverEnergyError
from rover_energy.mission import MissionParameters
from rover_energy.nodes.graph import simulation_graph
from rover_energy.nodes.inference_graph import store_of
from rover_energy.nodes.inference_summary import summarise_inference
from rover_energy.nodes.processes import Processes
from rover_energy.nodes.session import Session
from rover_energy.nodes.summary import summarise
from rover_energy.parameters import load_yaml, to_mapping
from rover_energy.rover import RoverParameters

ROOT = Path(__file__).resolve().parents[1]
RESERVE = 20.0  # [W]
BUSY = {"across": 16, "period": 0.2}  # 256 patches five times a second
GROUND = ROOT / "sim/worlds/crater_field.npz"
COLUMNS = ("case", "reached", "duration", "planned", "windows", "over", "least margin", "receipts", "above", "joules", "peak",
           "bus/receipts", "quotes", "answers", "late", "gap", "quality", "modes")  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One drive. terrain: a file, or the seed of generated ground.

    graph : what `simulation_graph` is told besides. busy : parameters of the terrain classifier.
    """

    name: str
    terrain: Path | int
    rover: RoverParameters
    mission: MissionParameters
    start: str
    goal: str
    graph: dict[str, float] = field(default_factory=dict)
    busy: dict[str, float] = field(default_factory=dict)
    inference: bool = True


def cases(seed: int) -> list[Case]:
    """The cases; those of one plan follow each other."""
    lunar, polar = load_yaml(RoverParameters, ROOT / "config/rover_lunar.yaml"), demo_rover()
    lunar, polar = (replace(r, loads=replace(r.loads, inference_power=RESERVE)) for r in (lunar, polar))
    dark = load_yaml(MissionParameters, ROOT / "config/mission_no_battery.yaml")
    tight = Case("tight on power", GROUND, lunar, dark, "4,4,0.8", "9,8,0.7")
    shadow = Case("shadow, small battery", 8 + seed, polar, demo_mission(), "20,20,0.8", "30,30,0.8")
    sunny = replace(dark, site=replace(dark.site, sun_elevation=30.0))
    return [
        replace(tight, name="tight, without networks", inference=False), tight,
        replace(tight, name="tight, busy networks", busy=BUSY),
        replace(tight, name="tight, a tenth of the grants", graph={"grant_share": 0.1}),
        replace(tight, name="tight, hard ground", graph={"resistance": 1.2}),
        shadow, replace(shadow, name="shadow, busy networks", busy=BUSY),
        replace(shadow, name="shadow, a tenth", graph={"grant_share": 0.1}),
        Case("power to spare", GROUND, lunar, sunny, "4,4,0.8", "9,8,0.7"),
    ]  # fmt: skip


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """`rover-energy` as a process."""
    return subprocess.run(
        [sys.executable, "-m", "rover_energy.cli.main", *(str(w) for w in words)], capture_output=True, text=True, check=False,
        env={**os.environ, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
    )  # fmt: skip


def planned(case: Case, place: Path) -> Path:
    """Folder of the case's plan; made once for cases that share it."""
    key = f"{case.terrain}-{case.rover.name}-{case.mission.site.sun_elevation:g}".replace("/", "_")
    folder = place / key
    if (folder / "plan.json").exists():
        return folder
    folder.mkdir()
    terrain = case.terrain
    if isinstance(terrain, int):
        made = run("terrain", "generate", "--seed", terrain, "--out", folder / "ground.npz")
        if made.returncode:
            raise SystemExit(made.stderr)
        terrain = folder / "ground.npz"
    for name, value in (("rover", case.rover), ("mission", case.mission)):
        (folder / f"{name}_in.yaml").write_text(yaml.safe_dump(to_mapping(value)), encoding="utf-8")
    files = ("--terrain", terrain, "--rover", folder / "rover_in.yaml", "--mission", folder / "mission_in.yaml")
    made = run("plan", *files, "--start", case.start, "--goal", case.goal, "--no-report", "--out", folder)
    if made.returncode:
        raise SystemExit(f"{case.name}: {made.stderr}")
    return folder


def driven(case: Case, place: Path, store: Path, options: Any) -> dict[str, Any]:
    """Figures of one drive; of one that failed, what it said."""
    plan, out = planned(case, place), place / case.name.replace(" ", "_").replace(",", "")
    used = {"inference": store_of(store)} if case.inference else {}
    nodes = simulation_graph(plan, out / "bag", simulator=options.simulator, **used, **case.graph)
    nodes = [replace(n, parameters={**n.parameters, **case.busy}) if n.name == "terrain_classifier" else n for n in nodes]
    began = time.monotonic()
    try:
        with Processes(nodes, out, options.domain) as processes, Session(processes) as session:
            session.bring_up()
            result = session.drive(plan, limit=600.0)
    except RoverEnergyError as error:
        return {"case": case.name, "stop": str(error)}
    found = {"case": case.name, **summarise(plan, out / "bag", result, time.monotonic() - began)}
    if case.inference:
        found["inference"] = summarise_inference(out / "bag", deadline=case.busy.get("period", 1.0))
    return found


def row(found: dict[str, Any]) -> tuple[Any, ...]:
    """One line of the table."""
    if "windows" not in found:
        return (found["case"], found["stop"][:60], *[""] * (len(COLUMNS) - 2))
    first = (
        found["case"], found["reached"], found["duration_s"], found["planned_duration_s"], found["windows"],
        found["windows_over"], found["least_power_margin_W"],
    )  # fmt: skip
    i = found.get("inference")
    if i is None:
        return (*first, *["-"] * (len(COLUMNS) - 7))
    ratio = i["drawn_J"] / i["receipts_J"] if i["receipts_J"] else float("nan")
    modes = " ".join(f"{name} {count}" for name, count in i["grants_by_mode"].items() if count)
    return (
        *first, sum(i["outcomes"].values()), i["violations"], i["receipts_J"], i["peak_window_W"], ratio, i["quote_error"],
        i["answers"], i["late"], i["longest_gap_s"], i["quality"], modes,
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__, problems=9, quick=2)
    arguments.add_argument("--store", type=Path, required=True, help="store of variants, or its folder")
    arguments.add_argument("--simulator", choices=("mujoco", "loopback"), default="mujoco")
    arguments.add_argument("--domain", type=int, default=64, help="ROS_DOMAIN_ID")
    arguments.add_argument("--out", type=Path, default=None, help="keep plans and bags here")
    options = parse(arguments, None)
    with tempfile.TemporaryDirectory() as temporary:
        place = (options.out or Path(temporary)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        chosen = cases(options.seed)[: options.problems]
        found = [driven(case, place, options.store, options) for case in progress(chosen, len(chosen), "drives")]
    print(table(COLUMNS, [row(f) for f in found], "networks on the bus of a drive"))
    write_json(options.json, "drive_inference", options.seed, found)


if __name__ == "__main__":
    main()
