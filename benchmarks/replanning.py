"""Replanning while driving: from the deviation to the next certified trajectory, in the library and through the planner node.

Library: plans of 20 m on generated ground, without a battery, with one, and in shadows. A rover that drives on its plan is seen
every 0.1 s, until it is 0.2 to 0.25 m beside it and turned by some hundredths (distance), 5 s late (lag), has 10 W more of
constant loads (power), or 2 kJ less charge (energy, with a battery). --far: 0.25 to 0.4 m beside. Timed from the deviation:
comparison, optimisation, certificate and profile of the next plan. A rover on its path keeps the rest of its plan where this
passes its certificate again; where the bus cannot carry the measured speed, the next plan begins more slowly. Both are counted.
Nodes (--nodes): the planner's own process, fed by this one with odometry and bus at 50 Hz of real time; the rover is put beside
its plan, and the time runs from that odometry's publication to the arrival of the next trajectory, which is then driven.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from common import parse, parser, progress, quantiles, table, write_json
from problems import GENERATED, problems

from rover_energy.errors import RoverEnergyError
from rover_energy.mission import MissionParameters
from rover_energy.parameters import load_yaml
from rover_energy.planning.deviation import Observed
from rover_energy.planning.evaluation import Profile, evaluate_plan
from rover_energy.planning.planner import plan_traverse
from rover_energy.planning.replanner import Followed, Replanner
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.worker import SolverProcess
from rover_energy.planning.world import World
from rover_energy.power.battery import usable_capacity
from rover_energy.rover import RoverParameters
from rover_energy.terrain.loading import load_terrain

ROOT = Path(__file__).resolve().parents[1]
WANTED = 0.1  # [s]
NEAR, FAR = (0.205, 0.25), (0.25, 0.4)  # [m] beside the plan
RATE, QUIET = 50.0, 2.6  # [Hz] of the messages, and [s] on the plan between two deviations
SLOWER = 0.01  # [m/s] below the measured speed at which a next plan is counted as begun slower
PATIENCE = 60.0  # [s] for the node to come up, and 2 s for each answer


def beside(profile: Profile, at: float, rng: np.random.Generator | None, *, far: bool = False) -> Observed:
    """The rover at a time of a plan [s]: on it, or a little beside with a generator of random numbers."""
    v = {name: float(np.interp(at, profile.t, column)) for name, column in profile.columns().items()}
    left = turn = energy = 0.0
    if rng is not None:
        left, turn = float(rng.choice((-1.0, 1.0)) * rng.uniform(*(FAR if far else NEAR))), float(rng.normal(0.0, 0.03))
        energy = -float(rng.uniform(0.0, 500.0))
    return Observed(
        at, v["x"] - left * math.sin(v["heading"]), v["y"] + left * math.cos(v["heading"]), v["heading"] + turn,
        v["speed"], v["yaw_rate"], v["rtg_power"] + v["pv_power"], v["base_power"] + v["inference_power"],
        v["drive_power"] + v["turn_power"], max(0.0, v["battery_energy"] + energy),
    )  # fmt: skip


def approach(replanner: Replanner, kind: str, at: float, rng: np.random.Generator, far: bool) -> Observed | None:
    """Drive the rover along its plan until a deviation of that kind is seen; what was observed last, None without one."""
    assert replanner.followed is not None
    profile, last = replanner.followed.profile, None
    for before in np.arange(max(0.0, at - 5.0), at, 0.1):
        last = beside(profile, float(before), None)
        if kind == "power":
            last = replace(last, constant_power=last.constant_power + 10.0)
        if replanner.observe(last) is not None:
            return last
    changes = {"lag": {"time": at + 5.1}, "energy": {}, "power": {}, "distance": {}}[kind]
    last = replace(beside(profile, at, rng if kind == "distance" else None, far=far), **changes)
    if kind == "energy":
        last = replace(last, battery_energy=last.battery_energy - 2100.0)
    return last


def processor_time() -> float:
    """What this process and its children have computed [s]; NaN where the system does not say it of a child."""
    try:
        children = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
        return time.process_time() + 1e-9 * sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in children)
    except (OSError, ValueError, IndexError):
        return math.nan


def in_the_library(count: int, times: int, seed: int, far: bool) -> dict[str, dict[str, Any]]:
    """Seconds of each replan and counts, by kind of deviation."""
    rng = np.random.default_rng(seed)
    results: dict[str, dict[str, Any]] = {}
    with SolverProcess() as solver, SolverProcess() as own:
        chosen = list(problems(count, seed, worlds=GENERATED, settings=("tight", "battery", "shadows")))
        for problem in progress(chosen, len(chosen), "library"):
            try:
                plan = plan_traverse(problem.world, problem.start, problem.goal, solver=solver, seconds=20.0)
            except RoverEnergyError:
                continue
            replanner = Replanner(problem.world, own)
            replanner.begin(plan.trajectory)
            replanner.rehearse()
            first = replanner.followed
            assert first is not None
            kinds = ("distance", "lag", "power", *(("energy",) if problem.setting == "battery" else ()))
            for at in np.linspace(0.15, 0.75, times) * plan.duration:
                kind = str(rng.choice(kinds))
                columns = {"seconds": [], "processor": [], "refused": [], "missed": 0, "kept": 0, "slower": []}
                row = results.setdefault(kind, columns)
                replanner.follow(first)
                o = approach(replanner, kind, float(at), rng, far)
                worked, began = processor_time(), time.perf_counter()
                if o is None or replanner.observe(o) is None:
                    row["missed"] += 1
                    continue
                try:
                    made, world = replanner.replan(o)
                    course = Followed.of(made, world).profile
                except RoverEnergyError as error:
                    row["refused"].append((getattr(error, "reason", type(error).__name__), time.perf_counter() - began))
                    continue
                row["seconds"].append(time.perf_counter() - began)
                row["processor"].append(processor_time() - worked)
                assert made.certificate.passed
                row["kept"] += made.facts["solver"] == "rest"
                row["slower"].append(max(0.0, o.speed - float(np.interp(0.0, course.t, course.speed))))
    return results


class Rig:
    """The planner's process, and a client that stands for rover, bus and drive node."""

    def __init__(self, folder: Path, world: World) -> None:
        from rover_energy.nodes import ros
        from rover_energy.nodes.graph import Node

        self.ros, self.world = ros, world
        rclpy = ros.need("rclpy")
        line = Node("planner", "planner_node", {"folder": str(folder), "replan_interval": 0.5}).command()
        line[line.index("use_sim_time:=true")] = "use_sim_time:=false"
        self.process = subprocess.Popen(line, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
        rclpy.init()
        self.node = rclpy.create_node("rig")
        self.executor = ros.need("rclpy.executors").SingleThreadedExecutor()
        self.executor.add_node(self.node)
        self.send = {name: self.publisher(name) for name in ("odom", "power_state", "trajectory")}
        self.answers: list[tuple[float, Any]] = []
        entry = ros.BY_NAME["replan"]
        self.node.create_subscription(ros.message_class(entry.kind), "replan", self.on_replan, ros.quality(entry.qos))

    def publisher(self, topic: str) -> Any:
        entry = self.ros.BY_NAME[topic]
        return self.node.create_publisher(self.ros.message_class(entry.kind), topic, self.ros.quality(entry.qos)).publish

    def on_replan(self, message: Any) -> None:
        self.answers.append((time.monotonic(), message))

    def spin(self, ready: Any, limit: float) -> None:
        end = time.monotonic() + limit
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError(f"nothing within {limit:g} s")
            self.executor.spin_once(timeout_sec=0.05)

    def bring_up(self) -> None:
        messages, kind = self.ros.need("lifecycle_msgs.msg"), self.ros.need("lifecycle_msgs.srv").ChangeState
        client = self.node.create_client(kind, "planner/change_state")
        self.spin(client.service_is_ready, PATIENCE)
        for step in (messages.Transition.TRANSITION_CONFIGURE, messages.Transition.TRANSITION_ACTIVATE):
            future = client.call_async(kind.Request(transition=messages.Transition(id=step)))
            self.spin(future.done, PATIENCE)
            if not future.result().success:
                raise RuntimeError("the planner node refused to start")

    def show(self, o: Observed, stamp: float) -> None:
        """Bus and odometry of one instant; the bus first, as in a drive."""
        power = self.ros.message_class("rover_energy_interfaces/msg/PowerState")(
            validity=31, rtg_power=o.supply_power, pv_power=0.0, battery_energy=o.battery_energy
        )
        load = self.ros.message_class("rover_energy_interfaces/msg/LoadState")
        power.loads = [load(name="base", power=o.constant_power), load(name="drive", power=o.motion_power)]
        odometry = self.ros.message_class("nav_msgs/msg/Odometry")()
        odometry.header.stamp = power.header.stamp = self.ros.stamp_of(stamp)
        odometry.pose.pose.position.x, odometry.pose.pose.position.y = o.x, o.y
        odometry.pose.pose.orientation = self.ros.quaternion_of(0.0, 0.0, o.heading)
        odometry.twist.twist.linear.x, odometry.twist.twist.angular.z = o.speed, o.yaw_rate
        self.send["power_state"](power)
        self.send["odom"](odometry)

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.executor.shutdown()
        self.node.destroy_node()
        self.ros.need("rclpy").try_shutdown()


def through_the_node(count: int, seed: int, far: bool) -> dict[str, Any]:
    """Seconds from each deviation to the trajectory's arrival, and how often none came within two seconds."""
    rng, spent, lost = np.random.default_rng(seed), [], 0
    terrain = load_terrain(ROOT / "sim/worlds/crater_field.npz")
    rover = load_yaml(RoverParameters, ROOT / "config/rover_lunar.yaml")
    world = World.prepare(terrain, rover, load_yaml(MissionParameters, ROOT / "config/mission_no_battery.yaml"))
    with SolverProcess() as solver:
        plan = plan_traverse(world, (4.0, 4.0, 0.8), (26.0, 25.0, 0.8), solver=solver, seconds=60.0)
    profile = evaluate_plan(plan.trajectory, world.surface, world.environment, world.rover, world.mission)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copy(ROOT / "sim/worlds/crater_field.npz", folder / "terrain.npz")
        shutil.copy(ROOT / "config/rover_lunar.yaml", folder / "rover.yaml")
        shutil.copy(ROOT / "config/mission_no_battery.yaml", folder / "mission.yaml")
        rig = Rig(folder, world)
        try:
            rig.bring_up()
            while len(spent) + lost < count:
                one = _one_drive(rig, plan, profile, rng, far)
                spent += one.spent
                lost += one.lost
        finally:
            rig.close()
    return {"seconds": spent, "lost": lost}


def _one_drive(rig: Rig, plan: Any, profile: Profile, rng: np.random.Generator, far: bool) -> SimpleNamespace:
    """One drive in real time, put beside its plan again and again until little is left of it."""
    from rover_energy.nodes.plan_folder import trajectory_from_message, trajectory_message

    found, world = SimpleNamespace(spent=[], lost=0), rig.world
    message = trajectory_message(plan.to_plan(world), profile.columns(), f"plan-{rng.integers(1 << 30)}")
    offset = time.monotonic()
    message.header.stamp = rig.ros.stamp_of(100.0)
    rig.send["trajectory"](message)
    while time.monotonic() - offset < 6.0:  # it takes the plan in and rehearses
        rig.executor.spin_once(timeout_sec=0.05)
    clock, course, since = time.monotonic() - 100.0, profile, 100.0
    due = since + QUIET
    while True:
        now = time.monotonic() - clock
        if now - since > course.t[-1] - 10.0:
            break
        if now < due:
            rig.show(beside(course, now - since, None), now)
            _pause(rig, clock, now)
            continue
        rig.answers.clear()
        wrong = beside(course, now - since, rng, far=far)
        sent = time.monotonic()
        rig.show(wrong, now)
        while not rig.answers and time.monotonic() - sent < 2.0:
            rig.executor.spin_once(timeout_sec=0.02)
        if not rig.answers:
            found.lost += 1
            due = now + QUIET
            continue
        arrived, message = rig.answers[0]
        found.spent.append(arrived - sent)
        course, since = _profile(trajectory_from_message(message), wrong, world), rig.ros.seconds(message.header.stamp)
        rig.send["trajectory"](message)
        due = time.monotonic() - clock + QUIET
    return found


def _pause(rig: Rig, clock: float, now: float) -> None:
    while time.monotonic() - clock < now + 1.0 / RATE:
        rig.executor.spin_once(timeout_sec=0.002)


def _profile(trajectory: Trajectory, start: Observed, world: World) -> Profile:
    charge = min(1.0, start.battery_energy / max(usable_capacity(world.rover.battery), 1e-9))
    mission = replace(world.mission, state_of_charge=charge)
    return evaluate_plan(trajectory, world.surface, world.environment, world.rover, mission)


def row(name: str, seconds: Sequence[float], lost: int) -> list[Any]:
    """Deviations, median, 95 %, most [ms] of those answered; share within the limit of all, and what brought no plan."""
    count = len(seconds) + lost
    share = float(np.sum(np.asarray(seconds) <= WANTED)) / count if count else math.nan
    return [name, count, *(1e3 * q for q in quantiles(seconds)), 100.0 * share, lost]


def say_what_else(library: dict[str, dict[str, Any]]) -> None:
    """Plans that are the rest of the earlier one, those that begin slower, and deviations after which there is none."""
    rows = list(library.values())
    print(f"the rest of the earlier plan, certified again: {sum(r['kept'] for r in rows)}")
    slower = [amount for r in rows for amount in r["slower"] if amount > SLOWER]
    most = f", at most {max(slower):.3f} m/s" if slower else ""
    print(f"begun more than {SLOWER:g} m/s below the measured speed, which the bus could not carry: {len(slower)}{most}")
    refused = [one for r in rows for one in r["refused"]]
    prompt = sum(t <= WANTED and v <= SLOWER for r in rows for t, v in zip(r["seconds"], r["slower"], strict=True))
    count = len(refused) + sum(len(r["seconds"]) for r in rows)
    worked = np.array([seconds for r in rows for seconds in r["processor"]])
    share = 100.0 * float(np.sum(worked <= WANTED)) / max(count, 1)
    print(f"within 100 ms of processor time, which other work on the machine adds little to: {share:.1f} % of the deviations")
    print(f"within 100 ms and begun at the measured speed: {100.0 * prompt / max(count, 1):.1f} % of the deviations")
    for reason in sorted({reason for reason, _ in refused}):
        spent = [1e3 * seconds for name, seconds in refused if name == reason]
        meaning = " (too little on the way found for the constant loads alone: it must stop)" if reason == "power" else ""
        print(f"no plan, {reason}{meaning}: {len(spent)}, said within {max(spent):.0f} ms; counted as misses")
    print(f"deviations that were not seen: {sum(r['missed'] for r in rows)}")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point: 0, or 1 when nothing could be measured."""
    arguments: argparse.ArgumentParser = parser(__doc__, problems=20, quick=2)
    arguments.add_argument("--times", type=int, default=8, help="deviations along each plan, in the library")
    arguments.add_argument("--nodes", type=int, default=0, metavar="N", help="deviations through the planner node; 0: none")
    arguments.add_argument("--far", action="store_true", help="0.25 to 0.4 m beside the plan instead of 0.2 to 0.25 m")
    options = parse(arguments, argv)
    library = in_the_library(options.problems, options.times, options.seed, options.far)
    rows = [row(f"library: {kind}", r["seconds"], len(r["refused"])) for kind, r in sorted(library.items())]
    whole = [seconds for r in library.values() for seconds in r["seconds"]]
    rows.append(row("library", whole, sum(len(r["refused"]) for r in library.values())))
    results: dict[str, Any] = {"library": library}
    if options.nodes:
        results["node"] = through_the_node(options.nodes, options.seed, options.far)
        rows.append(row("planner node: distance", results["node"]["seconds"], results["node"]["lost"]))
    columns = ("where", "deviations", "median [ms]", "95 % [ms]", "most [ms]", "within 100 ms [%]", "no plan")
    print(table(columns, rows, "From the deviation to the next certified trajectory"))
    say_what_else(library)
    write_json(options.json, "replanning", options.seed, results)
    return 0 if whole else 1


if __name__ == "__main__":
    raise SystemExit(main())
