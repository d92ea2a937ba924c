"""Time to the floor, where it is really reached: a rover with a small battery parks before sunset and goes through the night.

Each seed stands the node graph around a rover on Mars whose generator gives less than the constant loads take. The battery is
down to its floor one to five hours later. What the power node does not know: dust on the array and in the air, and two heaters
that others switch at random times. The forecasts in the bag are scored against what the bus metered afterwards. With --bags DIR
the nights are kept there, and those that are there already are scored without simulating them again.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from common import parse, parser, progress, table, write_json
from forecasts import answers, kept, score_rows

from rover_energy.telemetry import forecast_score as fs
from rover_energy.telemetry.forecast_bag import read_forecasts
from rover_energy.telemetry.recording import Recording

ROOT = Path(__file__).resolve().parents[1]
WINDOW, PERIOD = 20.0, 300.0  # [s] of the meter, and between two forecasts
LONGEST, STAY = 8.0 * 3600.0, 900.0  # [s] of a night at most, and at its floor
EVENING = 45000.0  # [s] from the mission's start within which the Sun sets
SUPPLY, LOAD = 40.0, 55.0  # [W] of the generator when new, and of the constant loads
HEATERS = {"heater": (12.0, 1200.0), "camera": (8.0, 400.0)}  # [W], mean time on and off [s]


def planned(folder: Path) -> Path:
    """A certified plan, made once: a parked rover stands at its start."""
    place = folder / "plan"
    if not (place / "plan.json").exists():
        files = ("--terrain", ROOT / "sim/worlds/crater_field.npz", "--mission", ROOT / "config/mission_mars.yaml")
        words = ("plan", *files, "--start", "4,4,0.8", "--goal", "7,7,0.8", "--no-report", "--out", place, "--quiet", "--json")
        subprocess.run([sys.executable, "-m", "rover_energy.cli.main", *map(str, words)], capture_output=True, check=True)
    return place


def sunset(folder: Path, plan: Path) -> float:
    """Time after the mission's start at which the Sun's centre sets over flat ground [s]."""
    from rover_energy.nodes.plan_folder import read_world

    if not (folder / "day").exists():
        changed(plan, folder / "day", {}, {"horizon": EVENING})
    sun = read_world(str(folder / "day")).environment
    t = np.arange(0.0, EVENING, 60.0)
    return float(t[np.flatnonzero([sun.sun_direction(x)[2] > 0.0 for x in t])[-1]])


def changed(source: Path, target: Path, rover: dict[str, Any], mission: dict[str, Any]) -> None:
    """A copy of a plan's folder with other values in the sections of both files."""
    target.mkdir(parents=True)
    for file in source.iterdir():
        if file.suffix in (".json", ".npz", ".csv"):
            (target / file.name).symlink_to(file.resolve())
    for name, news in (("rover.yaml", rover), ("mission.yaml", mission)):
        values = yaml.safe_load((source / name).read_text(encoding="utf-8"))
        for key, value in news.items():
            values[key] = {**values[key], **value} if isinstance(value, dict) else value
        (target / name).write_text(yaml.safe_dump(values), encoding="utf-8")


def prepare(place: Path, plan: Path, set_at: float, rng: np.random.Generator) -> None:
    """The folders `described`, which the power node knows, and `true`, which the simulator has."""
    spare = (LOAD + 0.5 * sum(power for power, _ in HEATERS.values()) - SUPPLY) * 3600.0 * rng.uniform(1.0, 3.0)
    capacity = 6.0e5
    start = np.datetime64("2028-03-01T01:00:00") + np.timedelta64(int(set_at - rng.uniform(0.0, 2.0) * 3600.0), "s")
    battery = {"capacity": capacity, "floor": 0.15}
    rover = {"battery": battery, "rtg": {"beginning_of_life_power": SUPPLY}, "loads": {"base_power": LOAD}}
    mission = {"site": {"start": str(start)}, "horizon": 2.0 * EVENING, "state_of_charge": float(0.15 + spare / capacity)}
    changed(plan, place / "described", rover, mission)
    dusty = {**rover, "pv": {"dust_factor": float(0.9 * rng.uniform(0.85, 1.1))}}
    changed(plan, place / "true", dusty, {**mission, "site": {**mission["site"], "optical_depth": float(rng.uniform(0.35, 0.8))}})
    loads = [{"name": name, "power": power, "sheddable": False, "enabled": True} for name, (power, _) in HEATERS.items()]
    (place / "loads.yaml").write_text(yaml.safe_dump({"loads": loads}), encoding="utf-8")


class Others:
    """Whoever switches the heaters off for random times; a lease that ends switches them on again."""

    def __init__(self, session: Any, rng: np.random.Generator) -> None:
        from rover_energy.nodes import ros

        self.service, self.ros = ros.need("rover_energy_interfaces.srv").SetLoad, ros
        self.client = session.ros.create_client(self.service, "set_load")
        self.rng, self.next = rng, dict.fromkeys(HEATERS, -1.0)

    def at(self, now: float) -> None:
        """Off now, where it is time for it."""
        for name, (_, mean) in HEATERS.items():
            if self.next[name] < 0.0:
                self.next[name] = now + self.rng.exponential(mean)
            if now >= self.next[name]:
                off = max(2.0 * WINDOW, self.rng.exponential(mean))
                self.next[name] = now + off + self.rng.exponential(mean)
                request = self.service.Request()
                c = request.command
                c.name, c.issuer, c.enabled, c.power_limit, c.lifetime, c.priority = name, "others", False, 0.0, off, 100
                c.header.stamp = self.ros.stamp_of(now)
                self.client.call_async(request)


def night(place: Path, rng: np.random.Generator, domain: int) -> None:
    """Run the nodes from before sunset until the battery has been at its floor for a while."""
    from rover_energy.nodes import parking, ros
    from rover_energy.nodes.graph import begin_anew, simulation_graph
    from rover_energy.nodes.processes import Processes
    from rover_energy.nodes.session import Session

    bag, own = (place / "bag").resolve(), {
        "simulator": {"folder": str((place / "true").resolve())},
        "power": {"loads": str((place / "loads.yaml").resolve()), "forecast_period": PERIOD},
    }  # fmt: skip
    nodes = parking.parked(simulation_graph((place / "described").resolve(), bag, simulator="loopback"), WINDOW)
    nodes = [parking.replace(node, parameters={**node.parameters, **own.get(node.name, {})}) for node in nodes]
    begin_anew(bag)
    with Processes(nodes, place.resolve(), domain) as processes, Session(processes) as session:
        others, low = Others(session, rng), [np.inf]

        def on_state(message: Any) -> None:
            now = ros.seconds(message.header.stamp)
            others.at(now)
            if message.battery_energy <= message.battery_floor * (1.0 + 1e-9):
                low[0] = min(low[0], now)
            over.append(now > LONGEST or now > low[0] + STAY)

        over: list[bool] = [False]
        session.bring_up()
        session.watch("power_state", on_state)
        session.wait(lambda: over[-1], 600.0, "night")


def scored(bag: Path) -> dict[str, Any]:
    """Actual values and quantiles of one night, and the answer to the question; only the longest hole [s] of a night in which the
    bus died and time went on without it, as on a machine that has no time for the nodes."""
    models, truth, empty = read_forecasts(Recording(bag))
    hole = float(np.max(np.diff(truth.time)))
    if hole > 5.0 * WINDOW:
        return {"hole": hole}
    forecasts = [forecast for found in models.values() for forecast in found]
    rows = {
        name: [np.concatenate(values) for values in (
            [fs.actual_in(truth, f, name) for f in forecasts], [getattr(f, name) for f in forecasts],
        )] for name in ("load", "available", "battery")
    }  # fmt: skip
    floor = fs.time_to_floor(truth.time, truth.battery, forecasts[0].floor * (1.0 + 1e-9))
    questions = {"time to the floor": fs.score_time_to_floor(forecasts, truth)}
    return {"rows": rows, "questions": questions, "forecasts": len(forecasts), "empty": empty, "floor": floor - truth.time[0]}


def nights(options: Any) -> Iterator[dict[str, Any]]:
    """Score of each seed."""
    with kept(options.bags) as folder:
        plan = planned(folder)
        set_at = sunset(folder, plan)
        for seed in progress(range(options.seed, options.seed + options.problems), options.problems, "nights"):
            place, rng = folder / f"night{seed}", np.random.default_rng(seed)
            if not (place / "bag" / "metadata.yaml").exists():
                prepare(place, plan, set_at, rng)
                with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                    night(place, rng, options.domain)
            yield {"seed": seed, **scored(place / "bag")}


def main(argv: Sequence[str] | None = None) -> None:
    """Run and print."""
    arguments = parser(__doc__, problems=8, quick=1)
    arguments.add_argument("--bags", type=Path, default=None, metavar="DIR", help="keep the nights here, or score those here")
    arguments.add_argument("--domain", type=int, default=os.getpid() % 100, help="ROS_DOMAIN_ID")
    options = parse(arguments, argv)
    found = []
    for run in nights(options):
        if "hole" in run:
            print(f"night {run['seed']} is not judged: {run['hole']:.0f} s without the bus")
        else:
            found.append(run)
    if not found:
        print("no night can be judged")
        return
    reached = [run["floor"] / 3600.0 for run in found if np.isfinite(run["floor"])]
    span = f"{min(reached, default=0.0):.1f} to {max(reached, default=0.0):.1f} h"
    print(table(*score_rows(found, f"{len(found)} nights, {len(reached)} of them to the floor, after {span}")))
    print(table(("question", "judged", "in P10..P90", "below P50", "bias", "alpha-lambda by quarter", "missed", "false"),
                answers(found), "times in s; alpha 0.2"))  # fmt: skip
    write_json(options.json, "forecasts_parked", options.seed, {"scores": score_rows(found, "")[1], "questions": answers(found)})


if __name__ == "__main__":
    main()
