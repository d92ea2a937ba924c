"""The bus: meters in; battery, switched loads, PowerState, BatteryState and the cap of the motor drivers out."""

from __future__ import annotations

import math
import time as clock
from pathlib import Path
from typing import Any

from rover_energy.errors import InputError
from rover_energy.nodes import ros
from rover_energy.nodes.durable import Keeper, load
from rover_energy.nodes.forecast_messages import Outlook
from rover_energy.nodes.inference_bus import INFERENCE, PRESSING, InferenceBus
from rover_energy.nodes.plan_folder import read_bus
from rover_energy.nodes.power_messages import battery_state, load_state, power_state
from rover_energy.nodes.settings import PowerParameters
from rover_energy.parameters import load_yaml
from rover_energy.power.battery import discharge_limit, discharge_towards_floor, floor_energy, usable_capacity
from rover_energy.power.storage import Step, full_battery, step_battery
from rover_energy.power.switched import LoadList, SheddingParameters, Switchboard, Wish

MOTORS = "drive"
LIFETIME = 0.2  # [s] of a cap
KEPT = ("energy", "capacity", "time", "written", "base", "inference")
CLOCK_ERROR = 60.0  # [s] by which the clock may have been put back since
GREAT = 1e-3  # change of the battery's energy, in capacities, that is written at once
NOTHING = Step(math.nan, 0.0, 0.0, 0.0, 0.0)


class Power(ros.Part):
    """Keeps the account of every window of the meter. Without a valid meter the motors get nothing."""

    name, parameters = "power", PowerParameters
    keeper: Keeper | None = None

    def configure(self) -> None:
        p = self.settings
        self.rover, self.mission = read_bus(p.folder)
        battery = self.rover.battery
        self.capacity, self.floor = usable_capacity(battery), floor_energy(battery)
        self.energy = full_battery(battery, self.mission.state_of_charge)
        self.fixed = {"base": self.rover.loads.base_power, "inference": self.rover.loads.inference_power}
        self.used = dict.fromkeys(self.fixed, 0.0)
        shedding = SheddingParameters(p.shed_below, p.shed_after, p.restore_above, p.restore_after)
        loads = load_yaml(LoadList, p.loads).loads if p.loads else ()
        self.inference = InferenceBus(self) if p.grants else None
        self.board = Switchboard((*loads, self.inference.load) if self.inference else loads, shedding)
        self.cap = math.nan
        self.time, self.due, self.due_battery = math.nan, -math.inf, -math.inf
        self.supply = math.nan
        self.remember()
        self.send = {name: self.publisher(name) for name in ("power_state", "battery_state", "load_command")}
        self.service = self.ros.create_service(ros.need("rover_energy_interfaces.srv").SetLoad, "set_load", self.on_set_load)
        self.outlook = Outlook(self)
        self.subscribe("meter", self.on_meter)

    def remember(self) -> None:
        """Go on from the state file of a predecessor. Raises InputError for one that is too old or another battery's."""
        p, self.saved, self.saved_energy = self.settings, -math.inf, math.nan
        if not p.state:
            return
        path, remedy = Path(p.state), "remove it to begin with the mission's state of charge"
        kept = load(path, KEPT)
        if kept is not None:
            age = clock.time() - kept["written"]
            if not -CLOCK_ERROR <= age <= p.state_age:
                raise InputError(str(path), "written", f"is not within the last {p.state_age:g} s", remedy, kept["written"])
            if not (kept["capacity"] == self.capacity and 0.0 <= kept["energy"] <= self.capacity):
                raise InputError(str(path), "capacity", f"is not {self.capacity:g} J of this battery", remedy, kept["capacity"])
            self.energy, self.time = kept["energy"], kept["time"]
            self.used = {name: kept[name] for name in self.fixed}
            self.ros.get_logger().info(f"the battery holds {self.energy:.0f} J by {path.name}, {age:.1f} s old")
        if self.keeper is None:
            self.keeper = Keeper(path)

    def keep(self, now: float) -> None:
        """Hand the battery's energy to the state file: after a while, or after much has gone."""
        if self.keeper is None:
            return
        real = clock.monotonic()
        moved = not abs(self.energy - self.saved_energy) <= GREAT * self.capacity
        if moved or real - self.saved >= self.settings.save_period:
            self.saved, self.saved_energy = real, self.energy
            values = {"energy": self.energy, "capacity": self.capacity, "time": now, "written": clock.time(), **self.used}
            self.keeper.put(values)
            if self.keeper.failure:
                self.ros.get_logger().error(f"the battery's state is not kept: {self.keeper.failure}", throttle_duration_sec=10.0)

    def deactivate(self) -> None:
        if self.keeper is not None:
            if math.isfinite(self.time):
                self.saved = -math.inf
                self.keep(self.time)
            self.keeper.close()
            self.keeper = None

    def activate(self) -> None:
        if self.settings.state and self.keeper is None:
            self.keeper = Keeper(Path(self.settings.state))

    @property
    def state_of_charge(self) -> float:
        """Of the battery [-]."""
        return self.energy / self.capacity if self.capacity > 0.0 else 0.0

    @property
    def limit(self) -> float:
        """What the battery may add now [W]: its limit, and little enough to reach the floor slowly and never pass it."""
        if not self.mission.use_battery:
            return 0.0
        most = float(discharge_limit(self.rover.battery, self.state_of_charge))
        return discharge_towards_floor(self.rover.battery, self.energy, most)

    @property
    def available(self) -> float:
        """What all loads together may take [W]; NaN without a valid meter."""
        cap = math.inf if self.mission.power_limit is None else self.mission.power_limit
        return min(self.supply + self.limit, cap) if math.isfinite(self.supply) else math.nan

    @property
    def others(self) -> float:
        """Power kept for all loads but motors and granted inference [W]."""
        if self.inference is None:
            return sum(self.fixed.values()) + self.board.reserved
        return self.fixed["base"] + self.board.reserved - self.board.states[INFERENCE].reserved

    @property
    def spare(self) -> float:
        """What is left over for the motors [W]."""
        return self.available - self.others - (self.inference.kept if self.inference else 0.0)

    def on_meter(self, meter: Any) -> None:
        """One window: first what it was, then what the next may be."""
        if not self.active:
            return
        now, motors = ros.seconds(meter.header.stamp), [load for load in meter.loads if load.name == MOTORS]
        wanted, supply = meter.RTG_VALID | meter.PV_VALID | meter.LOADS_VALID, meter.rtg_power + meter.pv_power
        good = (meter.validity & wanted) == wanted and len(motors) == 1 and math.isfinite(supply + motors[0].power)
        self.supply = supply if good else math.nan
        available = self.available
        seconds = max(0.0, now - self.time) if math.isfinite(self.time) else 0.0
        before = self.time if math.isfinite(self.time) else now
        loads = self.drawn(before, seconds, now)
        step = self.balance(supply - sum(load.power for load in loads) - motors[0].power, seconds) if good else NOTHING
        self.time = now
        if self.inference is not None:
            pressing = motors[0].power >= self.cap - PRESSING if good else False
            self.inference.update(
                now, spare=available - self.others, pressing=pressing, step=step, above_floor=self.energy - self.floor
            )
        left = self.spare if self.inference is None else available - self.others - self.inference.wanted
        for name in self.board.update(now, left):
            self.ros.get_logger().info(f"load {name}: {'on' if self.board.states[name].reserved else 'off'} at {now:.2f} s")
        self.command(now, self.spare - self.settings.guard)
        self.keep(now)
        if now >= self.due - 1e-6:
            self.due = now + 1.0 / self.settings.rate
            self.send["power_state"](power_state(
                meter, loads, step, self.rover.battery, energy=self.energy, capacity=self.capacity, floor=self.floor,
                limit=self.limit, available=available, tolerance=self.settings.tolerance, good=good,
            ))  # fmt: skip
        others, motion = sum(load.power for load in loads), motors[0].power if good else math.nan
        self.outlook.update(now, meter.rtg_power, meter.pv_power if good else math.nan, others, motion)
        if now >= self.due_battery - 1e-6:
            self.due_battery, charge = now + 1.0, self.state_of_charge
            self.send["battery_state"](
                battery_state(meter.header, self.rover.battery, step, charge, present=self.capacity > 0.0, good=good)
            )

    def drawn(self, since: float, seconds: float, now: float) -> list[Any]:
        """States of all loads but the motors in the window from `since` to `now`."""
        fixed = []
        for name, power in self.fixed.items():
            if name == INFERENCE and self.inference is not None:
                fixed.append(self.inference.drawn(now, seconds, self.used[name]))
            else:
                fixed.append(load_state(name, power, self.used[name] + power * seconds))
            self.used[name] = fixed[-1].energy
        self.board.meter(since, seconds)
        switched = [(name, s) for name, s in self.board.states.items() if self.inference is None or name != INFERENCE]
        return fixed + [load_state(name, s.power(since), s.energy, enabled=s.power(since) > 0.0) for name, s in switched]

    def balance(self, net: float, seconds: float) -> Step:
        """Advance the battery by a window with so much left over [W]."""
        if not seconds > 0.0:
            return Step(self.energy, 0.0, 0.0, max(0.0, net), max(0.0, -net))
        step = step_battery(self.rover.battery, self.energy, net, seconds, allow_discharge=self.mission.use_battery)
        self.energy = step.energy
        return step

    def command(self, now: float, limit: float) -> None:
        """Tell the motor drivers their cap; NaN is nothing."""
        self.cap = limit
        message = ros.message_class("rover_energy_interfaces/msg/LoadCommand")(
            issuer=self.name, name=MOTORS, enabled=limit > 0.0, power_limit=limit if limit > 0.0 else 0.0, lifetime=LIFETIME,
            priority=100,
        )  # fmt: skip
        message.header.stamp = ros.stamp_of(now)
        self.send["load_command"](message)

    def on_set_load(self, request: Any, response: Any) -> Any:
        """Switch a load."""
        c, now = request.command, self.time
        wish = Wish(c.name, c.issuer, ros.seconds(c.header.stamp), c.enabled, c.power_limit, c.lifetime, c.priority)
        if not (self.active and math.isfinite(self.available)):
            response.error_code, response.error_text = response.POWER_UNAVAILABLE, "no valid meter; wait for power_state"
            return response
        spare, energy = self.spare, math.inf  # without a battery, what the bus can carry now is all there is to ask
        if self.mission.use_battery and wish.lifetime > 0.0:
            left = self.supply - self.others - (self.inference.kept if self.inference else 0.0)
            energy = left * wish.lifetime + (self.energy - self.floor) * self.rover.battery.discharge_efficiency
        refused = self.board.command(wish, now, spare=spare, spare_energy=energy)
        if refused is not None:
            response.error_code, response.error_text = getattr(response, refused.name), f"{c.name}: {refused.value}"
        state = self.board.states.get(c.name)
        if state is not None:
            response.state = load_state(c.name, state.power(now), state.energy, enabled=state.reserved > 0.0)
            response.power_granted = state.reserved if refused is None else 0.0
        return response


def main() -> None:
    """Entry point."""
    ros.run(Power)


if __name__ == "__main__":
    main()
