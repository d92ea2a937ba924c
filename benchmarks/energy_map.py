"""Planning with a predicted map of soft soil, beside planning without one and beside an oracle that knows the soil.

Each problem is generated ground with patches of soft soil that show only in texture and shade. Four planners get it: "firm"
declares firm ground everywhere, "softest" the softest soil there is, "predicted" plans with the map that a network makes of
heights and image (trained here, on other ground, from the seed), "oracle" with the true soil as map. Every plan is then held
against the true soil: by the exact demand model, as if it were followed to the letter ("asked", "over": share of 10 ms samples
whose power is above what is available), and driven by the controller in the loopback simulator ("driven", windows of 20 ms).
Energies are of all loads. "bound kept" says that no soil under the plan was softer than the plan had declared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import parse, parser, progress, table, write_json

from rover_energy.control.command import StopReason
from rover_energy.errors import RoverEnergyError
from rover_energy.inference.energy_maps import CONFIDENCE, predict
from rover_energy.inference.learning.export import Session
from rover_energy.inference.learning.maps import EPOCHS, TRAINING, maps_of, soil_network
from rover_energy.inference.learning.unet import apply
from rover_energy.inference.tasks.soil_maps import SoilScene, make_maps, make_scene, resistance_factor
from rover_energy.mission import MissionParameters, SiteParameters
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.planner import PlannedTraverse, plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.soil_map import SoilMap, energy_of, power_over, softened
from rover_energy.planning.soil_route import plan_over_soil
from rover_energy.planning.worker import SolverProcess
from rover_energy.planning.world import World
from rover_energy.rover import RoverParameters
from rover_energy.simulation.loopback import LoopbackSimulator
from rover_energy.simulation.run import SensorNoise, drive_plan
from rover_energy.simulation.soil import SoilScatter, TrueRover

ARMS = ("firm", "softest", "predicted", "oracle")
NODES, LIMIT, SECONDS = 80, 200.0, 10.0  # side of the map; power limit of the mission [W]; for one optimisation [s]
INSIDE, APART = (3.0, 36.5), 20.0  # where poses lie, least distance from start to goal [m]
NOISE = SensorNoise(position=0.005, heading=0.003, speed=0.003, yaw_rate=0.003, power=0.2)
MISSION = MissionParameters(site=SiteParameters(sun_azimuth=180.0, sun_elevation=15.0, cast_shadows=False), power_limit=LIMIT)
NAN = float("nan")


@dataclass
class Result:
    """What became of one problem under one planner: joules, shares, seconds."""

    problem: int
    arm: str
    outcome: str
    planned_energy: float = NAN
    asked_energy: float = NAN
    over: float = NAN
    bound_kept: bool = False
    declared: float = NAN
    duration: float = NAN
    length: float = NAN
    driven_energy: float = NAN
    driven_time: float = NAN
    windows_over: float = NAN
    arrived: bool = False
    planning: float = NAN
    detail: str = ""


class SoilTruth(TrueRover):
    """The rover on the true soil of a scene."""

    def __init__(self, rover: RoverParameters, soil: SoilMap, gravity: float) -> None:
        super().__init__(rover.locomotion, SoilScatter(), gravity)
        self.soil = soil

    def local_factor(self, x: float, y: float) -> float:
        return float(self.soil.at(x, y))

    def turn_moment(self, x: float, y: float) -> float:
        return self.locomotion.turn_moment * self.local_factor(x, y)


def poses(rng: np.random.Generator) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Start and goal at a distance, heading towards each other's place."""
    while True:
        a, b = rng.uniform(*INSIDE, (2, 2))
        if np.hypot(*(b - a)) >= APART:
            heading = float(np.arctan2(b[1] - a[1], b[0] - a[0]))
            return (float(a[0]), float(a[1]), heading), (float(b[0]), float(b[1]), heading)


def as_map(factor: Any, upper: Any, name: str, confidence: float = CONFIDENCE) -> SoilMap:
    """A map on the nodes of the scene's terrain."""
    return SoilMap(factor, upper, 0.0, 0.0, 0.5, confidence, name)


def planned(
    arm: str, world: World, maps: dict[str, SoilMap], ends: Any, solver: SolverProcess
) -> tuple[PlannedTraverse, World, Callable[[Any], Any], float]:
    """Plan, the world that it is driven in, the factor declared at a time, and the energy that the planner expects [J]."""
    if arm in maps:
        made = plan_over_soil(world, maps[arm], *ends)
        return made.traverse, made.world, made.declared, made.expected
    factor = 1.0 if arm == "firm" else float(resistance_factor(np.array(1.0)))
    rover = softened(world.rover, factor, world.environment.gravity)
    there = World.prepare(world.terrain, rover, world.mission, world.environment)
    plan = plan_traverse(there, *ends, solver=solver, seconds=SECONDS)
    profile = evaluate_plan(plan.trajectory, there.surface, there.environment, rover, there.mission)
    return plan, there, lambda t: np.full(t.shape, factor), energy_of(profile.total_power, profile.t)


def attempt(
    number: int, arm: str, world: World, maps: dict[str, SoilMap], ends: Any, solver: SolverProcess, *, drive: bool
) -> Result:
    """Plan one problem with one planner and hold the plan against the true soil."""
    began = time.perf_counter()
    try:
        plan, there, declared, expected = planned(arm, world, maps, ends, solver)
    except Refusal as refusal:
        return Result(number, arm, "refused", planning=time.perf_counter() - began, detail=str(refusal)[:200])
    took, true = time.perf_counter() - began, maps["oracle"]
    profile = evaluate_plan(plan.trajectory, there.surface, there.environment, there.rover, there.mission)
    under = true.at(profile.x, profile.y)
    power = power_over(profile, world.rover.locomotion, under, world.environment.gravity)
    over = float(np.mean(power > profile.available_power * (1.0 + 1e-9)))
    kept = bool(np.all(under <= declared(profile.t) * (1.0 + 1e-9)))
    length = float(np.sum(np.hypot(np.diff(profile.x), np.diff(profile.y))))
    result = Result(
        number, arm, plan.status, expected, energy_of(power, profile.t), over, kept,
        float(np.mean(declared(profile.t))), plan.duration, length, planning=took,
    )  # fmt: skip
    if drive:
        driven(result, plan, there, world, true, number)
    return result


def driven(result: Result, plan: PlannedTraverse, there: World, world: World, true: SoilMap, seed: int) -> None:
    """Drive the plan on the true soil; planner and controller believe what the plan declared."""
    simulator = LoopbackSimulator(world.terrain, world.surface, world.environment, world.rover)
    simulator.truth = SoilTruth(world.rover, true, world.environment.gravity)
    try:
        record = drive_plan(
            plan.trajectory, there, simulator, noise=NOISE, seed=seed, wheel_radius=simulator.geometry.wheel_radius
        )
    except RoverEnergyError as failure:
        result.detail = str(failure)[:200]
        return
    power = record.columns["total_power"]
    result.driven_energy, result.driven_time = float(power.sum() * record.window), float(record.columns["time"][-1])
    result.windows_over = float(np.mean(power > record.columns["available_power"] * (1.0 + 1e-9)))
    result.arrived = record.stop.reason is StopReason.GOAL
    result.detail = "" if result.arrived else str(record.stop)[:200]


def problem(number: int, seed: int, network: Any) -> tuple[World, dict[str, SoilMap], Any, SoilScene]:
    """World of firm ground, the maps of predictor and oracle, poses and the scene."""
    rng = np.random.default_rng([seed, number])
    scene = make_scene(rng, NODES, share=float(rng.uniform(0.25, 0.45)))
    world = World.prepare(scene.terrain, RoverParameters(), MISSION)
    made = predict(network, scene.terrain, scene.image)
    maps = {
        "predicted": as_map(made.factor, made.upper, "predicted"),
        "oracle": as_map(scene.factor, scene.factor, "oracle", 1.0),
    }
    return world, maps, poses(rng), scene


def rows(results: Sequence[Result]) -> list[tuple[Any, ...]]:
    """One row per planner, over the problems that every planner has a plan for where energies are compared."""
    common = set.intersection(*({r.problem for r in results if r.arm == arm and r.duration > 0.0} for arm in ARMS))
    made = []
    for arm in ARMS:
        mine = [r for r in results if r.arm == arm]
        with_plan = [r for r in mine if r.duration > 0.0]
        both = [r for r in mine if r.problem in common]
        mean = [float(np.mean([getattr(r, name) for r in both])) if both else NAN for name in (
            "planned_energy", "asked_energy", "driven_energy", "driven_time", "length",
        )]  # fmt: skip
        begun = [r for r in with_plan if not np.isnan(r.windows_over) or r.detail]
        arrived = f"{sum(r.arrived for r in begun)}/{len(begun)}" if begun else "-"
        shares = [100.0 * float(np.mean([getattr(r, n) for r in with_plan])) for n in ("over", "windows_over")]
        made.append((
            arm, f"{len(with_plan)}/{len(mine)}", *mean, shares[0],
            f"{sum(r.over > 0.0 for r in with_plan)}/{len(with_plan)}", shares[1],
            arrived, f"{sum(r.bound_kept for r in with_plan)}/{len(with_plan)}",
            float(np.median([r.planning for r in mine])),
        ))  # fmt: skip
    return made


def trained(seed: int, *, quick: bool) -> Any:
    """A network that has seen ground of other seeds only."""
    training, epochs = (40, 3) if quick else (TRAINING, EPOCHS)
    made = soil_network(maps_of(make_maps, seed, training), seed, 0, epochs)
    return lambda x: apply(made, x)


COLUMNS = (
    "planner", "plans", "expected [J]", "asked [J]", "driven [J]", "driven [s]", "length [m]", "over [%]", "plans over",
    "windows over [%]", "arrived", "bound kept", "planning [s]",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    arguments = parser(__doc__, problems=12, quick=2)
    arguments.add_argument("--no-drive", action="store_true", help="only the exact model, no simulator")
    arguments.add_argument("--network", type=Path, default=None, metavar="FILE", help="ONNX file instead of training one here")
    arguments.add_argument("--first", type=int, default=0, metavar="N", help="number of the first problem (default 0)")
    options = parse(arguments, argv)
    network = Session(options.network) if options.network else trained(options.seed, quick=options.quick)
    results: list[Result] = []
    with SolverProcess() as solver:
        for number in progress(range(options.first, options.first + options.problems), options.problems, "problems"):
            world, maps, ends, _ = problem(number, options.seed, network)
            results += [attempt(number, arm, world, maps, ends, solver, drive=not options.no_drive) for arm in ARMS]
    common = {r.problem for r in results}
    for arm in ARMS:
        common &= {r.problem for r in results if r.arm == arm and r.duration > 0.0}
    print(table(COLUMNS, rows(results), f"{options.problems} problems; means of energies over the {len(common)} that all plan"))
    print(table(("problem", *ARMS), [
        (n, *(next(r.asked_energy for r in results if r.problem == n and r.arm == arm) for arm in ARMS))
        for n in sorted({r.problem for r in results})
    ], "energy asked for on the true soil [J]"))  # fmt: skip
    for r in results:
        if r.detail:
            print(f"problem {r.problem}, {r.arm}: {r.outcome} {r.detail}")
    write_json(options.json, "energy_map", options.seed, [asdict(r) for r in results])


if __name__ == "__main__":
    main()
