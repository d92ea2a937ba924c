"""The bus: meters and battery in, PowerState, BatteryState and the cap of the motor drivers out."""

from __future__ import annotations

import math
from typing import Any

from rover_energy.nodes import ros
from rover_energy.nodes.plan_folder import read_bus
from rover_energy.nodes.settings import PowerParameters
from rover_energy.power.battery import charge_limit, discharge_limit, floor_energy, usable_capacity
from rover_energy.power.storage import Step, full_battery, step_battery

MOTORS = "drive"
LIFETIME = 0.2  # [s] of a cap
TAPER_SECONDS = 20.0  # [s] over which the last of the store above the floor is given out
NOTHING = Step(math.nan, 0.0, 0.0, 0.0, 0.0)


class Power(ros.Part):
    """Keeps the account of every window of the meter. Without a valid meter the motors get nothing."""

    name, parameters = "power", PowerParameters

    def configure(self) -> None:
        self.rover, self.mission = read_bus(self.settings.folder)
        battery = self.rover.battery
        self.capacity, self.floor = usable_capacity(battery), floor_energy(battery)
        self.energy = full_battery(battery, self.mission.state_of_charge)
        self.base = self.rover.loads.base_power
        self.inference = self.rover.loads.inference_power
        self.time, self.due, self.due_battery = math.nan, -math.inf, -math.inf
        self.used = {"base": 0.0, "inference": 0.0}
        self.send = {name: self.publisher(name) for name in ("power_state", "battery_state", "load_command")}
        self.subscribe("meter", self.on_meter)

    @property
    def state_of_charge(self) -> float:
        return self.energy / self.capacity if self.capacity > 0.0 else 0.0

    @property
    def constant(self) -> float:
        """All loads but the motors [W]."""
        return self.base + self.inference

    def limit(self) -> float:
        """What the battery may add now [W]: its limit, and little enough to reach the floor slowly and never pass it."""
        if not self.mission.use_battery:
            return 0.0
        above = (self.energy - self.floor) * self.rover.battery.discharge_efficiency
        return max(0.0, min(float(discharge_limit(self.rover.battery, self.state_of_charge)), above / TAPER_SECONDS))

    def available(self, supply: float) -> float:
        """What all loads together may take [W]."""
        cap = math.inf if self.mission.power_limit is None else self.mission.power_limit
        return min(supply + self.limit(), cap)

    def on_meter(self, meter: Any) -> None:
        """One window."""
        if not self.active:
            return
        now, motors = ros.seconds(meter.header.stamp), [load for load in meter.loads if load.name == MOTORS]
        wanted = meter.RTG_VALID | meter.PV_VALID | meter.LOADS_VALID
        supply = meter.rtg_power + meter.pv_power
        good = (meter.validity & wanted) == wanted and len(motors) == 1 and math.isfinite(supply + motors[0].power)
        available, step = self.available(supply), NOTHING
        if good:
            step = self.balance(supply, motors[0].power, now)
        self.command(now, self.available(supply) - self.constant - self.settings.guard if good else 0.0)
        if now >= self.due - 1e-6:
            self.due = now + 1.0 / self.settings.rate
            self.send["power_state"](self.state(meter, available, step, good))
        if now >= self.due_battery - 1e-6:
            self.due_battery = now + 1.0
            self.send["battery_state"](self.battery_message(meter.header, step, good))

    def balance(self, supply: float, motion: float, now: float) -> Step:
        """Battery and energies of the loads over the time since the last window."""
        seconds, self.time = now - self.time, now
        if not seconds > 0.0:
            return Step(self.energy, 0.0, 0.0, max(0.0, supply - self.constant - motion), 0.0)
        net = supply - self.constant - motion
        step = step_battery(self.rover.battery, self.energy, net, seconds, allow_discharge=self.mission.use_battery)
        self.energy = step.energy
        self.used["base"] += self.base * seconds
        self.used["inference"] += self.inference * seconds
        return step

    def command(self, now: float, limit: float) -> None:
        """Tell the motor drivers their cap."""
        message = ros.message_class("rover_energy_interfaces/msg/LoadCommand")(
            issuer=self.name, name=MOTORS, enabled=limit > 0.0, power_limit=max(0.0, limit), lifetime=LIFETIME, priority=100
        )
        message.header.stamp = ros.stamp_of(now)
        self.send["load_command"](message)

    def state(self, meter: Any, available: float, step: Step, good: bool) -> Any:
        """PowerState of the window that the meter has just closed."""
        m = ros.message_class("rover_energy_interfaces/msg/PowerState")()
        m.header = meter.header
        m.rtg_power, m.pv_power = meter.rtg_power, meter.pv_power
        m.rtg_provenance, m.pv_provenance = meter.rtg_provenance, meter.pv_provenance
        m.battery_power, m.shunt_power = step.discharge_power - step.charge_power, step.shunted_power
        m.loads = [self.load("base", self.base), self.load("inference", self.inference), *meter.loads]
        m.available_power = available if good else math.nan
        battery = self.rover.battery
        m.battery_energy, m.battery_capacity, m.state_of_charge = self.energy, self.capacity, self.state_of_charge
        m.battery_floor, m.battery_temperature = self.floor, battery.temperature
        m.discharge_limit, m.charge_limit = self.limit(), float(charge_limit(battery, self.state_of_charge))
        m.battery_provenance.value = m.battery_provenance.PHYSICS_MODEL
        demand = sum(load.power for load in m.loads)
        m.residual = m.rtg_power + m.pv_power + m.battery_power - demand - m.shunt_power
        m.validity = meter.validity & (m.RTG_VALID | m.PV_VALID)
        if good:
            balanced = m.BALANCED if abs(m.residual) <= self.settings.tolerance else 0
            m.validity |= m.BATTERY_VALID | m.LOADS_VALID | balanced
        return m

    def load(self, name: str, power: float) -> Any:
        """LoadState of a constant load."""
        load = ros.message_class("rover_energy_interfaces/msg/LoadState")(
            name=name, power=power, energy=self.used[name], enabled=True, valid=True
        )
        load.provenance.value = load.provenance.DATA_SHEET
        return load

    def battery_message(self, header: Any, step: Step, good: bool) -> Any:
        """BatteryState to the letter of its definition: what is not measured is NaN. The model knows charge, not volts."""
        m = ros.message_class("sensor_msgs/msg/BatteryState")()
        m.header = header
        for name in ("voltage", "current", "charge", "capacity", "design_capacity"):
            setattr(m, name, math.nan)
        m.temperature, m.percentage = self.rover.battery.temperature - 273.15, self.state_of_charge
        flow = step.charge_power - step.discharge_power
        full = self.state_of_charge >= 1.0 - 1e-9
        rest = m.POWER_SUPPLY_STATUS_FULL if full else m.POWER_SUPPLY_STATUS_NOT_CHARGING
        signed = m.POWER_SUPPLY_STATUS_CHARGING if flow > 0.0 else m.POWER_SUPPLY_STATUS_DISCHARGING
        m.power_supply_status = (signed if flow else rest) if good else m.POWER_SUPPLY_STATUS_UNKNOWN
        m.power_supply_health = m.POWER_SUPPLY_HEALTH_UNKNOWN
        m.power_supply_technology = m.POWER_SUPPLY_TECHNOLOGY_UNKNOWN
        m.present, m.location = self.capacity > 0.0, "bus"
        return m


def main() -> None:
    """Entry point."""
    ros.run(Power)


if __name__ == "__main__":
    main()
