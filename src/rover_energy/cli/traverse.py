"""What `plan` and `demo` share: prepare, plan, write, report, summarise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from rover_energy.cli.arguments import Pose
from rover_energy.cli.output import Console, plain
from rover_energy.errors import InputError
from rover_energy.mission import MissionParameters
from rover_energy.parameters import to_mapping
from rover_energy.planning.evaluation import Profile, evaluate_plan
from rover_energy.planning.plan_file import write_plan, write_profile
from rover_energy.planning.planner import PlannedTraverse, plan_traverse
from rover_energy.planning.worker import SolverProcess
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.terrain.npz import write_npz
from rover_energy.terrain.raster import Terrain


def plan_and_report(
    console: Console,
    terrain: Terrain,
    rover: RoverParameters,
    mission: MissionParameters,
    poses: tuple[Pose, Pose],
    out: Path,
    *,
    report: bool,
    seconds: float,
    title: str,
) -> dict[str, Any]:
    """Plan, write everything into `out`, and return the summary. Raises InputError or Refusal."""
    make_folder(out)
    with SolverProcess() as solver, console.progress(5 if report else 4) as step:
        step("starting the solver")
        solver.start()
        step("Sun, shadows and map")
        world = World.prepare(terrain, rover, mission)
        step("planning (the first run compiles the solver's model)")
        traverse = plan_traverse(world, poses[0], poses[1], solver=solver, seconds=max(seconds, 120.0))
        step("writing the plan")
        profile = evaluate_plan(traverse.trajectory, world.surface, world.environment, rover, mission)
        files = write_results(out, world, traverse, profile)
        if report:
            step("drawing the report")
            files["report"] = _report(out, world, traverse, profile, title)
        step("done")
    return summarise(world, traverse, profile, files)


def make_folder(out: Path) -> None:
    """Make the output folder. Raises InputError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(str(out), "--out", error.strerror or "cannot be made", "choose another folder") from None


def write_results(out: Path, world: World, traverse: PlannedTraverse, profile: Profile) -> dict[str, str]:
    """plan.json, profile.csv, and the inputs, so that the folder can be driven and audited by itself."""
    plan = traverse.to_plan(world)
    write_plan(out / "plan.json", plan)
    write_profile(out / "profile.csv", profile.columns())
    write_npz(out / "terrain.npz", world.terrain)
    for name, group in (("rover", world.rover), ("mission", world.mission)):
        (out / f"{name}.yaml").write_text(yaml.safe_dump(to_mapping(group), sort_keys=False), encoding="utf-8")
    (out / "certificate.json").write_text(json.dumps(plain(plan.certificate), indent=2) + "\n", encoding="utf-8")
    return {"plan": str(out / "plan.json"), "profile": str(out / "profile.csv")}


def _report(out: Path, world: World, traverse: PlannedTraverse, profile: Profile, title: str) -> str:
    from rover_energy.report.writer import write_report

    written = write_report(
        out, terrain=world.terrain, surface=world.surface, profile=profile.columns(), certificate=traverse.certificate.to_mapping(),
        plan=traverse.to_plan(world).to_mapping(), rover=world.rover, mission=world.mission, environment=world.environment,
        keep_outs=world.keep_outs, title=title,
    )  # fmt: skip
    return str(written.html)


def summarise(world: World, traverse: PlannedTraverse, profile: Profile, files: dict[str, str]) -> dict[str, Any]:
    """The figures of a plan that people ask for first."""
    certificate = traverse.certificate
    return {
        "status": traverse.status,
        "certified": certificate.passed,
        "duration_s": traverse.duration,
        "distance_m": float(traverse.path.length),
        "peak_power_W": certificate.peak_power,
        "least_power_margin_W": certificate.least_power_margin,
        "least_battery_margin_J": certificate.least_battery_margin if world.mission.use_battery else None,
        "energy_consumed_Wh": energy_consumed(profile) / 3600.0,
        "solver": traverse.facts.get("solver"),
        "planning_seconds": traverse.facts.get("seconds", {}).get("total"),
        **files,
    }


def energy_consumed(profile: Profile) -> float:
    """Energy of all loads [J]."""
    import numpy as np

    return float(np.trapezoid(profile.total_power, profile.t))
