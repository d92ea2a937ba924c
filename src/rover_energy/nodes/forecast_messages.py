"""PowerForecast: what the bus knows of the hour ahead, through `power.forecast`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.nodes import ros
from rover_energy.nodes.inference_bus import INFERENCE
from rover_energy.nodes.plan_folder import BRANCH, root_of
from rover_energy.nodes.standing import Standing
from rover_energy.planning.plan_file import read_profile
from rover_energy.power.duty import DutyCycle, switching
from rover_energy.power.forecast import Course, Forecast, ForecastParameters, forecast_power

MODEL = "ensemble 3"
SHORTEST, GROWTH = 2.0, 0.05  # [s] of a step; later ones are at most this share of their time
SAME = 1e-3  # relative difference of length and energy up to which a trajectory is that of the profile
ENOUGH = 1500.0  # [J] of planned motion or array after which half of the variance of its factor is gone
GAP = 1.0  # [s] between two readings of the meter above which what was in between is not counted
LOW_SUN = 0.2  # at rest: standard deviation of the logarithm of the array's factor, dust in the air of a low Sun included
AHEAD = 5.0  # [s] further than time has gone that the rover may have come along its plan

Array = NDArray[np.float64]


@dataclass
class Way:
    """What the plan says along its time, and how far the rover has come.

    t : (n,) [s]. x, y : [m]. motion, array : energies of motion and from the array until there [J].
    at : time of the plan where the rover is [s]. rate : plan time per time that the present trajectory means to keep. scale :
    of the motion power. took, gave : energies of motion and from the array as metered since the plan's time `since` [J], in
    `lasted` [s].
    """

    t: Array
    x: Array
    y: Array
    motion: Array
    array: Array
    at: float = 0.0
    rate: float = 1.0
    scale: float = 1.0
    since: float = 0.0
    took: float = 0.0
    gave: float = 0.0
    lasted: float = 0.0

    def learned(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Factors of motion and array by what has been metered, and the share of the prior's deviation that is left of each.

        A lognormal factor whose meter reading over a planned energy A has the variance of the prior, times ENOUGH/A.
        """
        found = []
        pace = max(self.lasted, 1e-9) / max(self.at - self.since, 1e-9)  # the array gives more to a rover that is slow
        for metered, planned, scale in ((self.took, self.motion, self.scale), (self.gave, self.array, pace)):
            a, b = np.interp([self.since, self.at], self.t, planned)
            meant = scale * float(b - a)
            share = ENOUGH / (ENOUGH + max(0.0, meant))
            ratio = metered / meant if meant > 0.0 and metered > 0.0 else 1.0
            found.append((ratio ** (1.0 - share), math.sqrt(share)))
        return found[0], found[1]

    def come(self, x: float, y: float, seconds: float) -> None:
        """The rover's reference is at a place, so many seconds after it was last looked for."""
        near = np.flatnonzero((self.t >= self.at) & (self.t <= self.at + 1.5 * seconds + AHEAD))
        if near.size:
            self.at = float(self.t[near[np.argmin((self.x[near] - x) ** 2 + (self.y[near] - y) ** 2)]])

    def ahead(self, edges: Array) -> tuple[Array, Array]:
        """Mean powers of motion and array between times from now [s]."""
        where = self.at + self.rate * edges
        motion = np.diff(np.interp(where, self.t, self.motion)) * self.scale
        last = (self.array[-1] - self.array[-2]) / (self.t[-1] - self.t[-2])  # the array at the goal stays as it is
        array = np.interp(where, self.t, self.array) + np.maximum(0.0, where - self.t[-1]) * last
        return motion / np.diff(edges), np.diff(array) / (self.rate * np.diff(edges))


def read_way(folder: str) -> Way | None:
    """The way of the plan in a folder; None when there is no profile that can be read."""
    try:
        p = read_profile(Path(folder) / "profile.csv")
    except InputError:
        return None
    motion, array = (
        np.concatenate(([0.0], np.cumsum(0.5 * (power[1:] + power[:-1]) * np.diff(p["t"]))))
        for power in (p["drive_power"] + p["turn_power"], p["pv_power"])
    )
    return Way(p["t"], p["x"], p["y"], motion, array)


class Outlook:
    """Forecasts for the power node, every `forecast_period` of its time and at once when a trajectory begins.

    Nominal course: the generator as metered now and the loads that are switched on now. Along the plan in the node's folder, or
    a replan of it, motion and array are those of the plan's profile from where the rover is. What has been
    metered on the way so far corrects the rest. Of another trajectory the mean power of motion counts until its end. Then, and
    at rest, the array is taken to stay as it is, which is a missing input; with `forecast_light` the array of a rover at rest
    follows Sun and ground. Switched loads go on as they were switched so far (`power.duty`).
    """

    def __init__(self, part: Any) -> None:
        self.part = part
        s = part.settings
        self.standing = Standing(s.folder) if s.forecast_light else None
        self.switched: dict[str, DutyCycle] = {}
        self.parameters = ForecastParameters(members=s.forecast_members, seed=s.forecast_seed)
        self.drive: Any = None  # the trajectory that is driven
        self.profile = read_way(s.folder)  # read now: a bus that drives has no time for files
        self.way: Way | None = None  # along the trajectory, where it is the profile's
        self.reference: Any = None
        self.lit = False  # whether the light of a rover at rest is known for the whole horizon
        self.due, self.looked, self.metered = -math.inf, -math.inf, -math.inf
        self.send = part.publisher("power_forecast")
        part.subscribe("trajectory", self.on_trajectory)
        part.subscribe("reference", self.on_reference)
        part.subscribe("compliance", self.on_compliance)
        if self.standing is not None:
            part.subscribe("odom", self.standing.on_odometry)

    def on_reference(self, message: Any) -> None:
        """Where the plan is."""
        self.reference = message

    def on_trajectory(self, message: Any) -> None:
        """A drive goes on with this trajectory."""
        before, self.drive, self.due = self.drive, message, -math.inf
        if not message.duration > 0.0:
            self.way = None
            return
        begin, fixed = ros.seconds(message.header.stamp), sum(self.part.fixed.values()) * message.duration
        own = before is not None and root_of(before.plan_id) == root_of(message.plan_id)
        if BRANCH in message.plan_id and own and self.way is not None:
            self.look(begin)
            left = float(self.way.motion[-1] - np.interp(self.way.at, self.way.t, self.way.motion))
            self.way.rate = max(1e-3, (self.way.t[-1] - self.way.at) / message.duration)
            self.way.scale = max(0.0, message.energy - fixed) / left if left > 0.0 else 1.0
            self.way.since, self.way.took, self.way.gave, self.way.lasted = self.way.at, 0.0, 0.0, 0.0
            return
        self.way, self.reference, self.looked = None, None, begin
        if self.profile is not None:
            told, meant = self.profile.t[-1], self.profile.motion[-1] + fixed
            if abs(told / message.duration - 1.0) <= SAME and abs(meant - message.energy) <= SAME * abs(message.energy):
                self.way = replace(self.profile)

    def on_compliance(self, message: Any) -> None:
        """A drive is over."""
        drive = self.drive
        own = drive is not None and root_of(message.plan_id) == root_of(drive.plan_id)
        if own and ros.seconds(message.header.stamp) >= ros.seconds(drive.header.stamp):
            self.drive, self.way, self.due = None, None, -math.inf

    def look(self, now: float) -> None:
        """Find the rover on its way."""
        if self.way is not None and self.reference is not None:
            place = self.reference.pose.pose.position
            self.way.come(place.x, place.y, max(0.0, now - self.looked))
            self.looked = now

    def update(self, now: float, rtg: float, pv: float, others: float, motion: float) -> None:
        """With the bus of now: generator, array, all loads but motion, and motion [W]."""
        if self.way is not None and 0.0 < now - self.metered < GAP and math.isfinite(pv + motion):
            self.way.took += motion * (now - self.metered)
            self.way.gave += pv * (now - self.metered)
            self.way.lasted += now - self.metered
        if self.standing is not None and self.drive is None and math.isfinite(pv) and now > self.metered > -math.inf:
            self.standing.watch(now, now - self.metered, pv)
        self.watch(now)
        self.metered = now
        if now < self.due or not math.isfinite(rtg + pv + others):
            return
        p = self.part
        self.due = now + p.settings.forecast_period
        edges, limit = step_edges(p.settings.forecast_horizon), p.mission.power_limit
        loads = switching(self.switched.values(), edges)
        course = self.course(now, edges, rtg, pv, others, loads.power)
        known = replace(self.parameters, switched_sigma=loads.sigma, switched_time=loads.time, switched_offset=loads.offset)
        if self.way is not None:
            (_, motion_left), (_, array_left) = self.way.learned()
            known = replace(
                known, resistance_sigma=known.resistance_sigma * motion_left, array_sigma=known.array_sigma * array_left
            )
        elif self.drive is None:
            known = replace(known, pace_median=1.0, pace_sigma=0.0, attitude_sigma=0.0, array_sigma=LOW_SUN)
        found = forecast_power(
            p.rover.battery, course, min(p.energy, p.capacity), known, use_battery=p.mission.use_battery,
            power_limit=math.inf if limit is None else limit, governed=self.way is not None,
        )  # fmt: skip
        self.send(forecast_message(found, now, missing=int(self.way is None and not self.lit)))

    def watch(self, now: float) -> None:
        """How the switched loads are switched; what is granted to networks is accounted for elsewhere."""
        for name, state in self.part.board.states.items():
            if name != INFERENCE:
                self.switched.setdefault(name, DutyCycle(state.load.power)).watch(now, state.power(now) > 0.0)

    def course(self, now: float, edges: Array, rtg: float, pv: float, others: float, switched: Array) -> Course:
        """The nominal course between times from now [s]. switched : power of the switched loads (n,) [W]."""
        step = np.diff(edges)
        motion, array, self.lit = np.zeros_like(step), np.full(step.size, max(0.0, pv)), False
        if self.standing is not None and self.drive is None:
            light, self.lit = self.standing.ahead(now, edges)
            array = array if light is None else light
        if self.way is not None:
            self.look(now)
            motion, array = self.way.ahead(edges)
            (motion_factor, _), (array_factor, _) = self.way.learned()
            motion, array = motion * motion_factor, array * array_factor
        elif self.drive is not None and self.drive.duration > 0.0:
            fixed = sum(self.part.fixed.values())
            mean = max(0.0, self.drive.energy / self.drive.duration - fixed)
            left = ros.seconds(self.drive.header.stamp) + self.drive.duration - now
            motion = mean * np.clip((left - edges[:-1]) / step, 0.0, 1.0)
        steady = max(0.0, others - sum(load.power for load in self.switched.values() if load.state))
        return Course(step, np.full(step.size, max(0.0, rtg)), np.maximum(0.0, array), steady + switched, motion)


def step_edges(horizon: float) -> Array:
    """Times between the steps of a forecast [s]: fine at first, then in proportion."""
    edges = [0.0]
    while edges[-1] < horizon:
        edges.append(min(horizon, edges[-1] + max(SHORTEST, GROWTH * edges[-1])))
    return np.array(edges)


def forecast_message(found: Forecast, now: float, *, missing: int = 1) -> Any:
    """PowerForecast of a forecast that begins now [s]."""
    message = ros.message_class("rover_energy_interfaces/msg/PowerForecast")(
        battery_floor=found.floor, missing_inputs=missing, model=MODEL
    )
    message.header.stamp, message.header.frame_id = ros.stamp_of(now), "base_link"
    message.provenance.value = message.provenance.PHYSICS_MODEL
    message.time = found.time.tolist()
    for row, name in enumerate(("p10", "p50", "p90")):
        for quantity in ("load_power", "available_power", "battery_energy"):
            setattr(message, f"{quantity}_{name}", getattr(found, quantity)[row].tolist())
        setattr(message, f"time_to_floor_{name}", float(found.time_to_floor[row]))
    return message
