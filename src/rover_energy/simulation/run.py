"""Drive a plan in a simulator: sensors, controller, motor drivers, power meter and battery around it, without ROS.

Three clocks: the simulator's step (10 ms), in which the drivers get their cap from the array's current, the window of the power
meter (20 ms), in which the battery is balanced, and the period of the controller (50 ms). The nodes do the same with messages
in between.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from rover_energy.control.command import Command, Measurement, Stop, StopReason
from rover_energy.control.controller import Controller, Status
from rover_energy.control.reference import ROW
from rover_energy.control.settings import ControlParameters
from rover_energy.errors import InputError
from rover_energy.planning.trajectory import Trajectory
from rover_energy.planning.world import World
from rover_energy.power.battery import discharge_limit, floor_energy, usable_capacity
from rover_energy.power.bus import balance_bus
from rover_energy.power.pv import array_gain
from rover_energy.power.rtg import rtg_power
from rover_energy.power.storage import full_battery, step_battery
from rover_energy.simulation import protocol
from rover_energy.simulation.record import COLUMNS, Event, RunRecord

WINDOW = 0.02  # [s] of the power meter
STEP = 0.01  # [s] of the simulator
SETTLING = 3.0  # [s] most time to come to rest after a stop


@dataclass(frozen=True)
class SensorNoise:
    """Standard deviations of what is read: position [m], heading [rad], speed [m/s], yaw rate [rad/s], powers [W]."""

    position: float = 0.0
    heading: float = 0.0
    speed: float = 0.0
    yaw_rate: float = 0.0
    power: float = 0.0

    def apply(self, m: Measurement, rng: np.random.Generator) -> Measurement:
        """A measurement with noise."""
        e = rng.normal(size=8)
        return replace(
            m, x=m.x + self.position * e[0], y=m.y + self.position * e[1], heading=m.heading + self.heading * e[2],
            speed=m.speed + self.speed * e[3], yaw_rate=m.yaw_rate + self.yaw_rate * e[4],
            wheel_speed=m.wheel_speed + self.speed * e[5], motion_power=m.motion_power + self.power * e[6],
            supply_power=max(0.0, m.supply_power + self.power * e[7]),
        )  # fmt: skip


class Driver:
    """Motor drivers: ramp the set points of the last command and keep to the cap."""

    def __init__(self) -> None:
        self.speed = self.yaw_rate = 0.0
        self.command = Command(0.0, 0.0)

    def step(self, cap: float, seconds: float) -> protocol.Command:
        """What the wheels are told for the next seconds, under a cap of power [W]."""
        c = self.command
        self.speed = _towards(self.speed, c.speed, c.acceleration * seconds)
        turning = c.yaw_acceleration * seconds if math.isfinite(c.yaw_acceleration) else math.inf
        self.yaw_rate = _towards(self.yaw_rate, c.yaw_rate, turning)
        return protocol.Command(self.speed / (1.0 - c.slip), self.yaw_rate, cap)


def _towards(value: float, target: float, most: float) -> float:
    return target if abs(target - value) <= most else value + math.copysign(most, target - value)


class _Bus:
    """Supplies, battery and meter of one drive."""

    def __init__(self, world: World, controller: Controller) -> None:
        self.world, self.guard = world, controller.guard
        self.constant = world.rover.loads.base_power + world.rover.loads.inference_power
        self.rtg = float(rtg_power(world.rover.rtg, world.mission.years_since_fuelling))
        self.gain = float(array_gain(world.rover.pv))
        self.energy = full_battery(world.rover.battery, world.mission.state_of_charge)
        self.first_energy = self.energy
        self.capacity = usable_capacity(world.rover.battery)
        self.pv: list[float] = []
        self.limit = self._limit()

    def _limit(self) -> float:
        charge = self.energy / self.capacity if self.capacity > 0.0 else 0.0
        return self.guard.discharge(self.energy, float(discharge_limit(self.world.rover.battery, charge)))

    def array(self, reading: protocol.Reading) -> float:
        """Power of the array [W] by the reading."""
        if math.isfinite(reading.pv_power):
            return reading.pv_power
        scene = self.world.environment
        direct, diffuse = float(scene.direct_irradiance(reading.time)), float(scene.diffuse_irradiance(reading.time))
        up = math.cos(reading.roll) * math.cos(reading.pitch)
        return self.gain * (direct * reading.sunlit * max(0.0, reading.panel_incidence) + 0.5 * diffuse * (1.0 + up))

    def available(self, supply: float) -> float:
        """What all loads may take [W]."""
        cap = math.inf if self.world.mission.power_limit is None else self.world.mission.power_limit
        return min(supply + self.limit, cap)

    def balance(self, pv: float, motion: float, seconds: float) -> None:
        """One window."""
        self.pv.append(pv)
        net = self.rtg + pv - self.constant - motion
        if math.isfinite(net):
            use = self.world.mission.use_battery
            self.energy = step_battery(self.world.rover.battery, self.energy, net, seconds, allow_discharge=use).energy
        self.limit = self._limit()


def drive_plan(
    trajectory: Trajectory,
    world: World,
    simulator: protocol.Simulator,
    *,
    control: ControlParameters | None = None,
    noise: SensorNoise | None = None,
    seed: int = 0,
    wheel_radius: float = math.nan,
    wheels: ArrayLike | None = None,
    enforce_cap: bool = True,
    spoil: Callable[[Measurement], Measurement] | None = None,
) -> RunRecord:
    """Drive a plan to its goal or to a safe stop.

    Parameters
    ----------
    trajectory : Trajectory
        Of a certified plan made in `world`.
    world : World
        Ground, light, rover and mission as the plan and the controller believe them; the simulator may differ.
    simulator : Simulator
        Is reset to the plan's start.
    control : ControlParameters, optional
    noise : SensorNoise, optional
        On what the controller reads; the record holds the truth.
    seed : int
        Of that noise.
    wheel_radius : float
        Turns wheel speeds into rim speeds [m]; NaN: slip is not metered. Default: not metered.
    wheels : (6, 2) array_like, optional
        Places of the wheels on the body [m], to predict supply and climb from the raw terrain. Default: from the surface.
    enforce_cap : bool
        False: the drivers get no power cap, to see what the governor alone does.
    spoil : callable, optional
        Changes measurements before the controller sees them, to provoke faults.

    Returns
    -------
    RunRecord
        Until the rover stands.

    Raises
    ------
    InputError
        The plan does not fit the world.
    """
    settings = control or ControlParameters()
    return _Run(trajectory, world, simulator, settings, noise, seed, wheel_radius, wheels, enforce_cap, spoil).drive()


class _Run:
    def __init__(
        self, trajectory: Trajectory, world: World, simulator: protocol.Simulator, control: ControlParameters,
        noise: SensorNoise | None, seed: int, wheel_radius: float, wheels: ArrayLike | None, enforce_cap: bool,
        spoil: Callable[[Measurement], Measurement] | None,
    ) -> None:  # fmt: skip
        self.steps = round(WINDOW / STEP)
        self.per_period = round(control.period / STEP)
        if not (self.per_period >= 1 and abs(self.per_period * STEP - control.period) <= 1e-9):
            raise InputError("run", "period", "is not a multiple of 10 ms", "choose another", control.period)
        self.world, self.simulator, self.noise, self.spoil = world, simulator, noise, spoil
        self.controller = Controller(
            trajectory, world.surface, world.environment, world.rover, world.mission, control, terrain=world.terrain,
            wheels=wheels,
        )  # fmt: skip
        self.rng, self.radius, self.capped = np.random.default_rng(seed), wheel_radius, enforce_cap
        self.margin = control.governor.guard
        self.bus, self.driver = _Bus(world, self.controller), Driver()
        self.start = tuple(float(v) for v in trajectory.start)
        self.rows: list[tuple[float, ...]] = []
        self.events: list[Event] = []
        self.cpu: list[float] = []
        self.status: Status | None = None

    def drive(self) -> RunRecord:
        reading = self.simulator.reset((self.start[0], self.start[1], self.start[2]), 0.0)
        pv = self.bus.array(reading)
        cap = self._cap(pv, pv)
        energy, since, window_pv, window_motion = 0.0, 0, 0.0, 0.0
        stopped: float | None = None
        step = 0
        while stopped is None or (abs(reading.speed) > 0.005 and reading.time - stopped < SETTLING) or step % self.steps:
            if step % self.per_period == 0:
                motion = energy / (since * STEP) if since else 0.0
                self._control(self._measure(reading, motion, self.bus.rtg + pv))
                energy, since = 0.0, 0
                assert self.status is not None
                if self.status.stop is not None and stopped is None:
                    stopped = reading.time
                    self.events.append(Event(reading.time, str(self.status.stop)))
            try:
                reading = self.simulator.step(self.driver.step(cap if self.capped else math.inf, STEP), STEP)
            except protocol.SimulationError as error:
                return self._record(Stop(StopReason.OFF_MAP, reading.time, str(error)))
            step, since = step + 1, since + 1
            before, pv = pv, self.bus.array(reading)
            energy += reading.motor_power * STEP
            window_pv, window_motion = window_pv + pv / self.steps, window_motion + reading.motor_power / self.steps
            if step % self.steps == 0:
                self._meter(reading, window_pv, window_motion, cap)
                window_pv = window_motion = 0.0
            cap = self._cap(before, pv)
        assert self.status is not None
        assert self.status.stop is not None
        return self._record(self.status.stop)

    def _cap(self, before: float, pv: float) -> float:
        """Power that motion may take in the next step [W]: what there is now, less its last loss once more, less the guard."""
        room = self.bus.available(self.bus.rtg + pv) - self.bus.constant
        return max(0.0, room - max(0.0, before - pv) - self.margin)

    def _measure(self, reading: protocol.Reading, motion: float, supply: float) -> Measurement:
        rims = float(np.mean(reading.wheel_speeds)) * self.radius if math.isfinite(self.radius) else math.nan
        t = reading.time
        measured = Measurement(
            time=t, pose_time=t, power_time=t, battery_time=t, x=reading.x, y=reading.y, heading=reading.heading,
            speed=reading.speed, yaw_rate=reading.yaw_rate, wheel_speed=rims, motion_power=motion,
            constant_power=self.bus.constant, supply_power=supply, battery_limit=self.bus.limit,
            battery_energy=self.bus.energy, roll=reading.roll, pitch=reading.pitch,
        )  # fmt: skip
        if self.noise is not None:
            measured = self.noise.apply(measured, self.rng)
        return measured if self.spoil is None else self.spoil(measured)

    def _control(self, measured: Measurement) -> None:
        began = clock.perf_counter()
        now = self.rows[-1][0] if self.rows else 0.0
        now = max(now, round(len(self.cpu) * self.controller.parameters.period, 9))
        command, self.status = self.controller.step(measured, now)
        self.cpu.append(clock.perf_counter() - began)
        self.driver.command = command

    def _meter(self, reading: protocol.Reading, pv: float, motion: float, cap: float) -> None:
        supply, constant, status = self.bus.rtg + pv, self.bus.constant, self.status
        assert status is not None
        available, energy = self.bus.available(supply), self.bus.energy
        self.bus.balance(pv, motion, WINDOW)
        plan, estimate = self.controller.reference.at(self.controller.plan_time), status.estimate
        error, _ = self.controller.tracker.error(self.controller.plan_time, (reading.x, reading.y, reading.heading))
        self.rows.append((
            reading.time, self.controller.plan_time, reading.x, reading.y, reading.heading, reading.speed, reading.yaw_rate,
            plan.x, plan.y, plan.heading, plan.speed, error.along, error.lateral, error.heading,
            self.driver.speed, self.driver.yaw_rate, cap, status.pace.rate, status.pace.ceiling,
            motion, constant, constant + motion, plan.total_power, supply, available, energy,
            *estimate.factors, estimate.slip_factor, math.sqrt(max(0.0, estimate.covariance[3])),
        ))  # fmt: skip

    def _record(self, stop: Stop) -> RunRecord:
        table = np.array(self.rows) if self.rows else np.zeros((0, len(COLUMNS)))
        columns = dict(zip(COLUMNS, table.T, strict=True))
        reference = self.controller.reference
        motion = reference.table[ROW["total_power"]] - self.bus.constant
        ledger = balance_bus(
            self.world.rover.battery, rtg=self.bus.rtg, pv=np.array(self.bus.pv),
            loads={"base": self.bus.constant, "motion": columns["motion_power"]}, energy=self.bus.first_energy, step=WINDOW,
            allow_discharge=self.world.mission.use_battery,
        )  # fmt: skip
        return RunRecord(
            columns, WINDOW, stop, reference.duration, float(np.trapezoid(motion, dx=reference.step)),
            floor_energy(self.world.rover.battery), ledger, self.events, np.array(self.cpu),
        )  # fmt: skip
