"""What `plan` and `demo` share: check, plan, write, report, summarise."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from rover_energy.cli.arguments import SOURCE, Pose
from rover_energy.cli.blame import named
from rover_energy.cli.output import Console, Step, plain
from rover_energy.cli.results import ResultFolder
from rover_energy.errors import InputError, MissingExtraError
from rover_energy.mission import MissionParameters
from rover_energy.parameters import load_yaml, to_mapping
from rover_energy.planning.evaluation import Profile, evaluate_plan
from rover_energy.planning.plan_file import write_plan, write_profile
from rover_energy.planning.planner import PlannedTraverse, plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.soil_map import SoilMap, read_soil_map
from rover_energy.planning.soil_route import plan_over_soil
from rover_energy.planning.worker import SolverProcess
from rover_energy.planning.world import World
from rover_energy.power.battery import usable_capacity
from rover_energy.rover import RoverParameters
from rover_energy.terrain.loading import load_terrain
from rover_energy.terrain.npz import write_npz
from rover_energy.terrain.raster import Terrain

REPORT_FILES = ("report.html", "overview.png", "map.png", "power.png", "battery.png")


def inputs(terrain: Path, rover: Path | None, mission: Path | None, poses: tuple[Pose, Pose], *, band: int = 1) -> World:
    """Read and check the files of a plan, the cheap ones first. Raises InputError or MissingExtraError."""
    rover_parameters = load_yaml(RoverParameters, rover) if rover is not None else RoverParameters()
    mission_parameters = load_yaml(MissionParameters, mission) if mission is not None else MissionParameters()
    ground = load_terrain(terrain, band=band)
    check_poses(ground, poses)
    with named(rover, mission):
        return World.prepare(ground, rover_parameters, mission_parameters)


def soil_over(path: Path | None, world: World) -> SoilMap | None:
    """The map of resistance of a file, for this terrain; None without one. Raises InputError."""
    if path is None:
        return None
    soil = read_soil_map(path)
    soil.check_covers(world.terrain.extent)
    return soil


def check_poses(terrain: Terrain, poses: tuple[Pose, Pose]) -> None:
    """Both poses on the map, and not the same. Raises InputError."""
    xmin, ymin, xmax, ymax = terrain.extent
    for option, (x, y, _) in zip(("--start", "--goal"), poses, strict=True):
        if not (xmin <= x <= xmax and ymin <= y <= ymax):
            limits = f"x {xmin:.9g} .. {xmax:.9g} m, y {ymin:.9g} .. {ymax:.9g} m"
            raise InputError(SOURCE, option, f"is off the map {terrain.name}, {limits}", "choose a pose on it", (x, y))
    start, goal = poses
    if math.dist(start[:2], goal[:2]) < 1e-6 and abs(math.remainder(start[2] - goal[2], 2.0 * math.pi)) < 1e-9:
        raise InputError(SOURCE, "--goal", "is the start pose itself", "give a goal that differs from --start", goal)


def check_reach(world: World, poses: tuple[Pose, Pose]) -> None:
    """Refuse what no drive can keep: the straight line at the greatest speed already breaks the deadline or the budget."""
    mission, loads, speed = world.mission, world.rover.loads, world.rover.limits.speed
    distance = math.dist(poses[0][:2], poses[1][:2])
    seconds = distance / speed
    power = loads.base_power + loads.inference_power
    bounds = (("deadline", seconds, mission.deadline, "s"), ("energy_budget", seconds * power, mission.energy_budget, "J"))
    for name, least, limit, unit in bounds:
        if limit is not None and not least <= limit:
            at_rest = f" under constant loads of {power:g} W" if unit == "J" else ""
            text = f"{distance:.1f} m straight ahead at {speed:g} m/s{at_rest} take {least:.5g} {unit} or more"
            raise Refusal(name, name, text, missing=least - limit, unit=unit)


def check_report() -> None:
    """Before anything is planned: can a report be drawn? Raises MissingExtraError."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError("matplotlib", "report", "the report (leave it out with --no-report)") from None


def plan_and_report(
    console: Console,
    step: Step,
    world: World,
    poses: tuple[Pose, Pose],
    results: ResultFolder,
    *,
    report: bool,
    seconds: float,
    title: str,
    soil: SoilMap | None = None,
) -> dict[str, Any]:
    """Plan, write everything, and return the summary. Raises InputError or Refusal; nothing is written then."""
    check_reach(world, poses)
    step("planning (the first plan on a machine also compiles the solver)")
    facts: dict[str, Any] = {}
    if soil is None:
        with SolverProcess() as solver:
            traverse = plan_traverse(world, poses[0], poses[1], solver=solver, seconds=seconds)
    else:
        over = plan_over_soil(world, soil, poses[0], poses[1])
        traverse, world, facts = over.traverse, over.world, {"energy_map": over.to_mapping(soil)}
    step("writing the plan")
    profile = evaluate_plan(traverse.trajectory, world.surface, world.environment, world.rover, world.mission)
    write_results(results.staging, world, traverse, profile, facts)
    if report:
        step("drawing the report")
        write_pages(results.staging, world, traverse, profile, title)
    files = results.publish(last="plan.json", stale=() if report else REPORT_FILES)
    if traverse.status != "optimal" and soil is None:
        reasons = "; ".join(traverse.facts["notes"]) or "the optimum is slower"
        console.say(f"rover-energy: the plan is certified but follows the searched path, status {traverse.status}: {reasons}")
    summary = summarise(world, traverse, profile, files)
    for name, held in facts.items():
        summary[name] = {key: value for key, value in held.items() if key != "stretches"}
    return summary


def write_results(
    folder: Path, world: World, traverse: PlannedTraverse, profile: Profile, facts: Mapping[str, Any] | None = None
) -> None:
    """plan.json, profile.csv, certificate.json, and the inputs, so that the folder can be driven and audited by itself.

    `facts` are further top-level entries of plan.json.
    """
    plan = traverse.to_plan(world)
    plan = replace(plan, extra={**plan.extra, **(facts or {})})
    write_plan(folder / "plan.json", plan)
    write_profile(folder / "profile.csv", profile.columns())
    write_npz(folder / "terrain.npz", world.terrain)
    for name, group in (("rover", world.rover), ("mission", world.mission)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(to_mapping(group), sort_keys=False), encoding="utf-8")
    (folder / "certificate.json").write_text(json.dumps(plain(plan.certificate), indent=2) + "\n", encoding="utf-8")


def write_pages(folder: Path, world: World, traverse: PlannedTraverse, profile: Profile, title: str) -> None:
    """report.html and its pictures."""
    from rover_energy.report.writer import write_report

    write_report(
        folder, terrain=world.terrain, surface=world.surface, profile=profile.columns(), title=title,
        certificate=traverse.certificate.to_mapping(), plan=traverse.to_plan(world).to_mapping(), rover=world.rover,
        mission=world.mission, environment=world.environment, keep_outs=world.keep_outs,
    )  # fmt: skip


def summarise(world: World, traverse: PlannedTraverse, profile: Profile, files: dict[str, Path]) -> dict[str, Any]:
    """The figures of a plan that people ask for first."""
    certificate = traverse.certificate
    has_battery = world.mission.use_battery and usable_capacity(world.rover.battery) > 0.0
    return {
        "status": traverse.status,
        "certified": certificate.passed,
        "duration_s": traverse.duration,
        "distance_m": float(traverse.path.length),
        "peak_power_W": certificate.peak_power,
        "least_power_margin_W": certificate.least_power_margin,
        "least_battery_margin_J": certificate.least_battery_margin if has_battery else None,
        "state_of_charge_at_end": float(profile.state_of_charge[-1]) if has_battery else None,
        "energy_consumed_Wh": trapezoid(profile.total_power, profile.t) / 3600.0,
        "solver": traverse.facts.get("solver"),
        "planning_seconds": traverse.facts.get("seconds", {}).get("total"),
        "notes": traverse.facts.get("notes") or None,
        "plan": str(files["plan.json"]),
        "profile": str(files["profile.csv"]),
        "certificate": str(files["certificate.json"]),
        **({"report": str(files["report.html"])} if "report.html" in files else {}),
    }


def trapezoid(values: NDArray[np.float64], t: NDArray[np.float64]) -> float:
    """Integral over time; numpy's own changed its name between the versions allowed."""
    return float(np.sum(0.5 * (values[1:] + values[:-1]) * np.diff(t)))
