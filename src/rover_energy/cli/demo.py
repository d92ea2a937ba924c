"""`rover-energy demo`: a traverse over generated lunar terrain, planned, certified, driven through the nodes, and audited."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rover_energy.cli.arguments import AsJson, Pose, Quiet
from rover_energy.cli.plan import SECONDS

if TYPE_CHECKING:
    from rover_energy.cli.output import Console
    from rover_energy.mission import MissionParameters
    from rover_energy.rover import RoverParameters

SEED = 8  # a ridge casts its shadow over the middle of the way
#: Across the middle of the 60 m map, else between its corners, tried in turn until a plan exists.
POSES: tuple[tuple[Pose, Pose], ...] = (
    ((20.0, 20.0, 0.8), (40.0, 40.0, 0.8)),
    ((8.0, 8.0, 0.8), (52.0, 52.0, 0.8)),
    ((8.0, 52.0, -0.8), (52.0, 8.0, -0.8)),
    ((52.0, 8.0, 2.4), (8.0, 52.0, 2.4)),
    ((14.0, 30.0, 0.0), (46.0, 30.0, 0.0)),
)


def demo_rover() -> RoverParameters:
    """A polar rover on which power binds: an aged generator, a steep array on its left side, a small buffer battery."""
    from dataclasses import replace

    from rover_energy.rover import RoverParameters

    rover = RoverParameters(name="polar rover")
    return replace(
        rover,
        loads=replace(rover.loads, inference_power=10.0),
        rtg=replace(rover.rtg, beginning_of_life_power=92.0),
        pv=replace(rover.pv, area=0.4, panel_pitch=1.1, panel_azimuth=1.5708),
        battery=replace(rover.battery, capacity=5000.0, max_discharge_power=35.0, max_charge_power=60.0),
    )


def demo_mission() -> MissionParameters:
    """Twelve years after fuelling, under a Sun 5 degrees above the horizon, with 60 % charge."""
    from rover_energy.mission import MissionParameters, SiteParameters

    site = SiteParameters(sun_azimuth=340.0, sun_elevation=5.0)
    return MissionParameters(site=site, years_since_fuelling=12.0, state_of_charge=0.6)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for the results; made if needed", metavar="DIR")] = Path("demo_out"),
    seed: Annotated[int, typer.Option("--seed", help="Seed of the terrain", metavar="N")] = SEED,
    drive: Annotated[
        bool | None,
        typer.Option("--drive/--no-drive", help="Drive it in MuJoCo through the nodes and audit the bag; default: with ROS 2"),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Plan a traverse over generated lunar terrain, drive it in a simulator, and audit what was recorded; needs no input.

    A rover with an aged generator crosses some 30 m of craters under a Sun that stands 5 degrees high: in the shadows it lives
    on its generator and a small battery, and slows down where both do not give more.

    **Example:** rover-energy demo --seed 3 --out my_demo

    Writes the plan and its report.html into the folder, the drive with its bag into drive/ and the audit's report into audit/.

    **Exit codes:** 0 certified plan, driven and audited; 1 this seed's ground has no way across, or the drive failed;
    2 unusable input; 3 driven, but with windows of the power meter over or missing.
    """
    from rover_energy.cli.output import Console
    from rover_energy.cli.results import ResultFolder
    from rover_energy.cli.traverse import check_report, plan_and_report
    from rover_energy.planning.refusal import Refusal
    from rover_energy.planning.world import World
    from rover_energy.terrain.generator import generate_lunar_terrain

    check_report()
    driven = _drivable() if drive is None else drive
    console = Console(as_json=as_json, quiet=quiet)
    refused: Refusal | None = None
    with ResultFolder(out) as results, console.progress(4) as step:
        step("making the terrain, Sun and shadows")
        terrain = generate_lunar_terrain(seed=seed)
        world = World.prepare(terrain, demo_rover(), demo_mission())
        title = f"Traverse over generated lunar terrain, seed {seed}"
        for poses in POSES:
            try:
                summary = plan_and_report(console, step, world, poses, results, report=True, seconds=SECONDS, title=title)
                break
            except Refusal as refusal:
                refused = refusal
        else:
            assert refused is not None
            raise refused
    if drive is None and not driven:
        console.say("rover-energy: ROS 2 or a simulator is not installed, so the plan is not driven; make ros installs them")
    if driven:
        summary |= {"drive": _drive_and_audit(console, out)}
    console.result({"seed": seed, **summary}, _text({"seed": seed, **summary}))
    console.say(f"open {summary['report']} in a browser" + (f", and {out / 'audit' / 'report.html'}" if driven else ""))
    if driven:
        from rover_energy.cli.drive import finish

        finish(console, summary["drive"])


#: Of the drive and its audit, what people want to know at once.
SHOWN = ("reached", "duration_s", "peak_power_W", "least_power_margin_W", "windows", "windows_over", "position_error_95_m",
         "motion_energy_over_plan", "picture")  # fmt: skip


def _text(summary: dict[str, Any]) -> str:
    from rover_energy.cli.output import facts

    drive = summary.get("drive")
    planned = facts({key: value for key, value in summary.items() if key != "drive"})
    if drive is None:
        return planned
    driven = {key: drive[key] for key in SHOWN if key in drive}
    return f"{planned}\n\ndriven\n{facts(driven | {'audit': drive['audit']['report']})}"


def _drivable() -> bool:
    """Whether everything that a drive needs is installed."""
    from rover_energy.cli.drive import Engine, check_parts
    from rover_energy.errors import MissingExtraError

    try:
        check_parts(Engine.mujoco)
    except MissingExtraError:
        return False
    return True


def _drive_and_audit(console: Console, out: Path) -> dict[str, Any]:
    """The plan in the folder through the nodes in MuJoCo, then the audit of its bag. What an earlier run left there gives way."""
    import shutil

    from rover_energy.cli.audit import audit_into, descriptions
    from rover_energy.cli.drive import Engine, perform
    from rover_energy.telemetry.campaign import Job

    if (out / "drive" / "log" / "nursery.txt").exists():  # else it is not a drive of ours, and `perform` leaves it alone
        for name in ("bag", "log", "state"):
            shutil.rmtree(out / "drive" / name, ignore_errors=True)
    summary = perform(console, out, out / "drive", Engine.mujoco)
    _, audited = audit_into(console, out / "drive" / "bag", Job(*descriptions(out, None, None, None), tables=True), out / "audit")
    return {**summary, "audit": audited}
