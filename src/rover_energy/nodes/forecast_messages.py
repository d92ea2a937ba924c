"""PowerForecast: what the bus knows of the hour ahead, through `power.forecast`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rover_energy.nodes import ros
from rover_energy.nodes.plan_folder import root_of
from rover_energy.power.forecast import Course, Forecast, ForecastParameters, forecast_power

MODEL = "ensemble 1"
STEPS = 60  # of a forecast
SHORTEST = 1.0  # [s] of a step


class Outlook:
    """Forecasts for the power node, every `forecast_period` of its time and at once when a trajectory begins.

    Nominal course: the generator and the array as metered now, the loads that are switched on now, and while a trajectory is
    driven its mean power of motion until its end. That the array stays as it is counts as a missing input.
    """

    def __init__(self, part: Any) -> None:
        self.part = part
        s = part.settings
        self.parameters = ForecastParameters(members=s.forecast_members, seed=s.forecast_seed)
        self.drive: Any = None  # the trajectory that is driven
        self.due = -math.inf
        self.send = part.publisher("power_forecast")
        part.subscribe("trajectory", self.on_trajectory)
        part.subscribe("compliance", self.on_compliance)

    def on_trajectory(self, message: Any) -> None:
        """A drive goes on with this trajectory."""
        self.drive, self.due = message, -math.inf

    def on_compliance(self, message: Any) -> None:
        """A drive is over."""
        drive = self.drive
        own = drive is not None and root_of(message.plan_id) == root_of(drive.plan_id)
        if own and ros.seconds(message.header.stamp) >= ros.seconds(drive.header.stamp):
            self.drive, self.due = None, -math.inf

    def update(self, now: float, rtg: float, pv: float, others: float) -> None:
        """With the bus of now: generator, array and all loads but motion [W]."""
        if now < self.due or not math.isfinite(rtg + pv + others):
            return
        p = self.part
        self.due = now + p.settings.forecast_period
        course, limit = self.course(now, rtg, pv, others), p.mission.power_limit
        found = forecast_power(
            p.rover.battery, course, min(p.energy, p.capacity), self.parameters, use_battery=p.mission.use_battery,
            power_limit=math.inf if limit is None else limit,
        )  # fmt: skip
        self.send(forecast_message(found, now))

    def course(self, now: float, rtg: float, pv: float, others: float) -> Course:
        """The nominal course of the horizon."""
        horizon = self.part.settings.forecast_horizon
        step = max(SHORTEST, horizon / STEPS)
        begin = step * np.arange(max(1, round(horizon / step)))
        motion = np.zeros_like(begin)
        if self.drive is not None and self.drive.duration > 0.0:
            fixed = sum(self.part.fixed.values())
            mean = max(0.0, self.drive.energy / self.drive.duration - fixed)
            left = ros.seconds(self.drive.header.stamp) + self.drive.duration - now
            motion = mean * np.clip((left - begin) / step, 0.0, 1.0)
        rtg_power, pv_power, constant = (np.full(begin.size, max(0.0, v)) for v in (rtg, pv, others))
        return Course(np.full(begin.size, step), rtg_power, pv_power, constant, motion)


def forecast_message(found: Forecast, now: float) -> Any:
    """PowerForecast of a forecast that begins now [s]."""
    message = ros.message_class("rover_energy_interfaces/msg/PowerForecast")(
        battery_floor=found.floor, missing_inputs=1, model=MODEL
    )
    message.header.stamp, message.header.frame_id = ros.stamp_of(now), "base_link"
    message.provenance.value = message.provenance.PHYSICS_MODEL
    message.time = found.time.tolist()
    for row, name in enumerate(("p10", "p50", "p90")):
        for quantity in ("load_power", "available_power", "battery_energy"):
            setattr(message, f"{quantity}_{name}", getattr(found, quantity)[row].tolist())
        setattr(message, f"time_to_floor_{name}", float(found.time_to_floor[row]))
    return message
