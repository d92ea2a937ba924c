"""The messages of the bus."""

from __future__ import annotations

import math
from typing import Any

from rover_energy.nodes import ros
from rover_energy.power.battery import BatteryParameters, charge_limit
from rover_energy.power.storage import Step


def load_state(name: str, power: float, energy: float, *, enabled: bool = True) -> Any:
    """LoadState of a load whose power is known from its description."""
    load = ros.message_class("rover_energy_interfaces/msg/LoadState")(
        name=name, power=power, energy=energy, enabled=enabled, valid=math.isfinite(power)
    )
    load.provenance.value = load.provenance.DATA_SHEET
    return load


def power_state(
    meter: Any, loads: list[Any], step: Step, battery: BatteryParameters, *, energy: float, capacity: float, floor: float,
    limit: float, available: float, tolerance: float, good: bool,
) -> Any:  # fmt: skip
    """PowerState of the window that the meter has just closed. Without a good meter nothing that depends on it is valid."""
    m = ros.message_class("rover_energy_interfaces/msg/PowerState")()
    m.header = meter.header
    m.rtg_power, m.pv_power = meter.rtg_power, meter.pv_power
    m.rtg_provenance, m.pv_provenance = meter.rtg_provenance, meter.pv_provenance
    m.battery_power, m.shunt_power = step.discharge_power - step.charge_power, step.shunted_power
    m.loads = [*loads, *meter.loads]
    m.available_power = available if good else math.nan
    charge = energy / capacity if capacity > 0.0 else 0.0
    m.battery_energy, m.battery_capacity, m.state_of_charge = energy, capacity, charge
    m.battery_floor, m.battery_temperature = floor, battery.temperature
    m.discharge_limit, m.charge_limit = limit, float(charge_limit(battery, charge))
    m.battery_provenance.value = m.battery_provenance.PHYSICS_MODEL
    m.residual = m.rtg_power + m.pv_power + m.battery_power - sum(load.power for load in m.loads) - m.shunt_power
    m.validity = meter.validity & (m.RTG_VALID | m.PV_VALID)
    if good:
        m.validity |= m.BATTERY_VALID | m.LOADS_VALID | (m.BALANCED if abs(m.residual) <= tolerance else 0)
    return m


def battery_state(header: Any, battery: BatteryParameters, step: Step, charge: float, *, present: bool, good: bool) -> Any:
    """BatteryState to the letter of its definition: what is not measured is NaN. The model knows charge, not volts."""
    m = ros.message_class("sensor_msgs/msg/BatteryState")()
    m.header = header
    for name in ("voltage", "current", "charge", "capacity", "design_capacity"):
        setattr(m, name, math.nan)
    m.temperature, m.percentage = battery.temperature - 273.15, charge if good and present else math.nan
    flow = step.charge_power - step.discharge_power
    rest = m.POWER_SUPPLY_STATUS_FULL if charge >= 1.0 - 1e-9 else m.POWER_SUPPLY_STATUS_NOT_CHARGING
    signed = m.POWER_SUPPLY_STATUS_CHARGING if flow > 0.0 else m.POWER_SUPPLY_STATUS_DISCHARGING
    m.power_supply_status = (signed if flow else rest) if good else m.POWER_SUPPLY_STATUS_UNKNOWN
    m.power_supply_health = m.POWER_SUPPLY_HEALTH_UNKNOWN
    m.power_supply_technology = m.POWER_SUPPLY_TECHNOLOGY_UNKNOWN
    m.present, m.location = present, "bus"
    return m
