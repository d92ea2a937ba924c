"""Plans driven in MuJoCo on unknown soil: power above the limit, time lost, tracking, battery, energy, arrivals.

Each run plans one seeded problem and drives it with resistance, slip and mass drawn evenly within +-20 % of what planner and
controller believe, and noise on everything the controller reads.

"lost" is time against the plan; "by ground" is what the fastest drive along the same path loses with the true factors known
beforehand (`planning.retiming`), and the rest is the governor's. A window is 20 ms of the power meter; it is over when its mean
is above what was available in it, and at the cap when it is within 1 % of what the motor drivers may take. "all within" is the
share of runs that never leave 10 cm and 5 deg of the plan, "95 % within" the share that is so near for 95 % of the time;
distances and angles are quantiles over the samples of all runs. A plan is foreseen to fail when the raw ground under the wheels
shows that tilt or power will end the drive: it is not begun, and counts neither as driven nor as feasible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from common import parse, parser, progress, quantiles, table, write_json
from numpy.typing import NDArray
from problems import GENERATED, SETTINGS, Problem, problems

from rover_energy.control.settings import ControlParameters
from rover_energy.errors import RoverEnergyError
from rover_energy.planning.follow import trajectory_path
from rover_energy.planning.planner import PlannedTraverse, plan_traverse
from rover_energy.planning.refusal import Refusal
from rover_energy.planning.retiming import TimingError, retime
from rover_energy.planning.worker import SolverProcess
from rover_energy.rover import RoverParameters
from rover_energy.simulation.loopback import LoopbackSimulator
from rover_energy.simulation.mujoco_rover import MujocoSimulator
from rover_energy.simulation.record import RunRecord
from rover_energy.simulation.run import SensorNoise, drive_plan
from rover_energy.simulation.soil import SoilScatter

NOISE = SensorNoise(position=0.005, heading=0.003, speed=0.003, yaw_rate=0.003, power=0.2)
DRIVEN = ("tight", "battery", "floor", "shadows", "mars")
THINNED = 5  # windows per sample of the tracking errors that is kept
NAN = float("nan")
Array = NDArray[np.float64]


@dataclass
class Result:
    """What became of one run; shares are of the plan's."""

    key: str
    setting: str
    outcome: str
    factors: tuple[float, ...]
    lost: float = NAN
    by_ground: float = NAN
    excess: float = NAN
    windows: int = 0
    windows_over: int = 0
    windows_capped: int = 0
    excess_second: float = NAN
    position: float = NAN
    heading: float = NAN
    position_most: float = NAN
    heading_most: float = NAN
    floor_margin: float = NAN
    energy: float = NAN
    control_ms: float = NAN
    detail: str = ""
    errors: Array = field(default_factory=lambda: np.zeros((2, 0)))

    @property
    def driven(self) -> bool:
        return self.windows > 0


def true_rover(rover: RoverParameters, scatter: SoilScatter) -> RoverParameters:
    """The rover as the simulator has it."""
    locomotion, r = rover.locomotion, scatter.resistance
    ground = replace(
        locomotion.resistance, c0=locomotion.resistance.c0 * r, c1=locomotion.resistance.c1 * r, c2=locomotion.resistance.c2 * r
    )
    flat, maximum = locomotion.slip.flat * scatter.slip, min(0.95, locomotion.slip.maximum * scatter.slip)
    slips = replace(locomotion.slip, flat=flat, maximum=maximum)
    return replace(rover, locomotion=replace(
        locomotion, mass=locomotion.mass * scatter.mass, resistance=ground, slip=slips, turn_moment=locomotion.turn_moment * r,
        drivetrain_efficiency=min(1.0, locomotion.drivetrain_efficiency * scatter.efficiency),
    ))  # fmt: skip


def lost_by_ground(problem: Problem, plan: PlannedTraverse, scatter: SoilScatter) -> float:
    """Share of time that the fastest drive along the plan's path loses with the true factors; 0 where it gains."""
    world, path = problem.world, trajectory_path(plan.trajectory)

    def duration(rover: RoverParameters) -> float:
        return retime(path, world.surface, world.environment, rover, world.mission, grid=0.02).duration

    try:
        return max(0.0, duration(true_rover(world.rover, scatter)) / duration(world.rover) - 1.0)
    except TimingError:
        return NAN


def attempt(problem: Problem, number: int, solver: SolverProcess, options: Any) -> Result:
    """Plan and drive one problem."""
    spreads = np.array([*[options.spread] * 3, options.efficiency])
    factors = tuple((1.0 + np.random.default_rng([options.seed, number]).uniform(-1.0, 1.0, 4) * spreads).tolist())
    scatter, world, control = SoilScatter(*factors), problem.world, ControlParameters()
    control = replace(control, estimator=replace(control.estimator, efficiency=options.efficiency))
    try:
        plan = plan_traverse(world, problem.start, problem.goal, solver=solver, seconds=20.0)
    except Refusal as refusal:
        return Result(problem.key, problem.setting, "refused", factors, detail=str(refusal)[:200])
    kind = {"mujoco": MujocoSimulator, "loopback": LoopbackSimulator}[options.simulator]
    try:
        simulator = kind(world.terrain, world.surface, world.environment, world.rover, soil=scatter, seed=number)
        record = drive_plan(
            plan.trajectory, world, simulator, control=control, noise=NOISE, seed=number,
            wheel_radius=simulator.geometry.wheel_radius,
            wheels=simulator.geometry.positions if options.simulator == "mujoco" else None, enforce_cap=not options.no_cap,
        )  # fmt: skip
    except RoverEnergyError as error:
        return Result(problem.key, problem.setting, "error", factors, detail=str(error)[:200])
    return measured(problem, plan, scatter, record)


def measured(problem: Problem, plan: PlannedTraverse, scatter: SoilScatter, record: RunRecord) -> Result:
    """The figures of a run."""
    position, heading = record.error_quantiles()
    errors = np.array([np.hypot(record.error_along, record.error_lateral), np.degrees(np.abs(record.error_heading))])
    name, factors = record.stop.reason.name, (scatter.resistance, scatter.slip, scatter.mass, scatter.efficiency)
    if record.stop.foreseen:
        return Result(problem.key, problem.setting, f"FORESEEN {name}", factors, excess=record.excess, detail=str(record.stop))
    result = Result(
        problem.key, problem.setting, name, factors, excess=record.excess, windows=int(record.time.size),
        windows_over=record.windows_over, windows_capped=int(np.sum(record.motion_power >= 0.99 * record.cap)),
        excess_second=excess_of_seconds(record), position=position, heading=float(np.degrees(heading)),
        position_most=float(errors[0].max()), heading_most=float(errors[1].max()), floor_margin=record.least_battery_margin,
        control_ms=1e3 * float(np.median(record.cpu)), detail=str(record.stop), errors=errors[:, ::THINNED],
    )  # fmt: skip
    if record.reached:
        result.lost, result.by_ground = record.lost_time, lost_by_ground(problem, plan, scatter)
        result.energy = record.motion_energy / record.plan_energy
    return result


def excess_of_seconds(record: RunRecord) -> float:
    """Largest power above what was available, means over one second [W]."""
    count = round(1.0 / record.window)
    over = np.cumsum(np.concatenate(([0.0], record.total_power - record.available_power)))
    return float(np.max(over[count:] - over[:-count]) / count) if over.size > count else NAN


def summary(results: Sequence[Result]) -> str:
    """A row per setting, and what did not arrive."""
    columns = (
        "setting", "runs", "goal", "over the limit", "windows over", "worst W", "worst W in 1 s", "at cap %", "lost % median",
        "95 %", "by ground % median", "governor % median", "all within %", "95 % within %", "cm 95 %", "deg 95 %", "cm most",
        "deg most", "floor J least", "energy ratio", "ms",
    )  # fmt: skip
    driven = [r for r in results if r.driven]
    rows = [_row(s, [r for r in driven if r.setting == s]) for s in dict.fromkeys(r.setting for r in driven)]
    parts = [table(columns, [*rows, _row("all", driven)], f"driven plans: {sum(r.windows for r in driven)} windows of 20 ms")]
    outcomes = Counter(r.outcome for r in results)
    parts.append("outcomes: " + ", ".join(f"{name} {count}" for name, count in outcomes.most_common()))
    if driven:
        goals, over = sum(r.outcome == "GOAL" for r in driven), abs(np.array([r.energy for r in driven]) - 1.0)
        parts.append(f"goal reached in {goals} of {len(driven)} feasible drives ({100.0 * goals / len(driven):.1f} %)")
        parts.append(f"energy measured against planned: off by {100.0 * quantiles(over.tolist())[0]:.2f} % in the median run")
    chosen = [r for r in results if (r.outcome != "GOAL" or r.windows_over) and r.outcome != "refused"]
    parts += [f"  {r.key} {r.outcome} {r.windows_over} windows over, {r.excess:.2f} W | {r.detail}" for r in chosen]
    return "\n".join(parts)


def _row(name: str, results: Sequence[Result]) -> list[Any]:
    def percent(values: Sequence[float]) -> float:
        return 100.0 * float(np.mean(values)) if len(values) else NAN

    own = [r.lost - r.by_ground for r in results]
    windows = max(1, sum(r.windows for r in results))
    pooled = np.concatenate([r.errors for r in results] or [np.zeros((2, 0))], axis=1)
    return [
        name, len(results), sum(r.outcome == "GOAL" for r in results), sum(r.windows_over > 0 for r in results),
        sum(r.windows_over for r in results), max((r.excess for r in results), default=NAN),
        max((r.excess_second for r in results), default=NAN), 100.0 * sum(r.windows_capped for r in results) / windows,
        *(100.0 * q for q in quantiles([r.lost for r in results])[:2]),
        100.0 * quantiles([r.by_ground for r in results])[0], 100.0 * quantiles(own)[0],
        percent([r.position_most <= 0.10 and r.heading_most <= 5.0 for r in results]),
        percent([r.position <= 0.10 and r.heading <= 5.0 for r in results]),
        100.0 * quantiles(pooled[0].tolist())[1], quantiles(pooled[1].tolist())[1],
        100.0 * quantiles([r.position_most for r in results])[2], quantiles([r.heading_most for r in results])[2],
        min((r.floor_margin for r in results), default=NAN), quantiles([r.energy for r in results])[0],
        quantiles([r.control_ms for r in results])[0],
    ]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> list[Result]:
    """Command line."""
    arguments = parser(__doc__, problems=12, quick=2)
    arguments.add_argument("--simulator", choices=("mujoco", "loopback"), default="mujoco")
    arguments.add_argument("--worlds", nargs="+", default=list(GENERATED), help="of: generated-N, marsyard, aristarchus")
    arguments.add_argument("--settings", nargs="+", default=["tight", "battery"], choices=[s for s in SETTINGS if s in DRIVEN])
    arguments.add_argument("--spread", type=float, default=0.2, help="of resistance, slip and mass (default 0.2)")
    arguments.add_argument("--nominal", action="store_true", help="nothing unknown: --spread 0")
    arguments.add_argument("--efficiency", type=float, default=0.0, help="spread of the drivetrain's efficiency (default 0)")
    arguments.add_argument("--no-cap", action="store_true", help="drivers without a power cap: the governor alone")
    options = parse(arguments, argv)
    options.spread = 0.0 if options.nominal else options.spread
    chosen = problems(options.problems, options.seed, settings=options.settings, worlds=options.worlds)
    results = []
    with SolverProcess() as solver:
        for number, problem in enumerate(progress(chosen, options.problems, "drives")):
            results.append(attempt(problem, number, solver, options))
    print(summary(results))
    write_json(options.json, "drive", options.seed, [asdict(replace(r, errors=None)) for r in results])
    return results


if __name__ == "__main__":
    main()
