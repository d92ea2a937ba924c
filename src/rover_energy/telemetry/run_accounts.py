"""What each kind of stream adds to the account of a run: one class per kind, fed table by table."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.rover import RoverParameters
from rover_energy.telemetry.motion_account import MotionAccount
from rover_energy.telemetry.parquet_tables import Tables
from rover_energy.telemetry.power_account import Check, Extreme, PowerAccount
from rover_energy.telemetry.streams import VALID, Table, loads_of
from rover_energy.telemetry.topic_mapping import Source
from rover_energy.telemetry.traces import Bins, Trace

Floats = NDArray[np.float64]
MOST_EVENTS = 500
BELONGS = {
    "rtg": ("rtg_power",), "pv": ("pv_power",),
    "battery": ("battery_power", "battery_energy", "state_of_charge", "discharge_limit", "charge_limit", "battery_floor"),
}  # fmt: skip
PROVENANCE = ("unknown", "measured", "CPU-time model", "operation count", "data sheet", "physics model")
MOTION = ("drive", "turn")  # loads that the demand model predicts together
TRACED = ("rtg_power", "pv_power", "battery_power", "available_power", "shunt_power", "battery_energy", "state_of_charge")


@dataclass
class Shared:
    """What all accounts of a run write to. clock : nanoseconds to seconds from the beginning of the bag."""

    clock: Callable[[NDArray[np.int64]], Floats]
    rover: RoverParameters | None
    gravity: float
    limits: dict[str, float]
    tables: Tables | None
    bins: Bins = field(default_factory=Bins)
    traces: dict[str, Trace] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    more_events: int = 0

    def trace(self, name: str) -> Trace:
        return self.traces.setdefault(name, Trace())

    def event(self, time: float, kind: str, text: str, *, severity: str = "info") -> None:
        """Note something that happened."""
        if len(self.events) < MOST_EVENTS:
            self.events.append({"time": time, "kind": kind, "severity": severity, "text": text})
        else:
            self.more_events += 1

    def write(self, table: str, **columns: Any) -> None:
        if self.tables is not None:
            self.tables.add(table, columns)

    def share(self, value: Floats, limit: Floats) -> Floats:
        """How much of a limit is used; NaN where there is none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            used: Floats = np.where(limit > 0.0, value / limit, np.nan)
        return used


@dataclass
class Switches:
    """Notes when something goes on or off."""

    shared: Shared
    state: dict[str, float] = field(default_factory=dict)

    def watch(self, t: Floats, name: str, values: Floats, on: str, off: str, *, bad: str = "") -> None:
        """Values of 0 and 1 at times `t`. `bad` : "off" when going off is a fault."""
        known = np.isfinite(values)
        times, levels = t[known], values[known]
        if not levels.size:
            return
        before = self.state.get(name)
        steps = np.flatnonzero(np.diff(levels, prepend=levels[0] if before is None else before))
        for i in steps:
            went_on = levels[i] > 0.5
            severity = "info" if went_on or bad != "off" else "warning"
            self.shared.event(float(times[i]), "switch", f"{name} {on if went_on else off}", severity=severity)
        self.state[name] = float(levels[-1])


class PowerStates:
    """A topic of PowerState."""

    def __init__(self, source: Source, shared: Shared) -> None:
        self.source, self.shared, self.account = source, shared, PowerAccount()
        self.switches = Switches(shared)
        self.provenance: dict[str, str] = {}
        self.main = source.how == "map" or source.topic.rpartition("/")[2] != "meter"
        self.invalid = dict.fromkeys(VALID, 0)
        self.samples = 0
        self.temperature = Extreme()

    def add(self, table: Table) -> None:
        t = self.shared.clock(table.time)
        columns, bits = self._usable(t, table)
        parts = loads_of(table)
        bad = (bits & VALID["loads"]) == 0
        loads = {name: np.where(bad, np.nan, part["power"]) for name, part in parts.items()}
        self._provenance(table, parts)
        total = self.account.add(t, columns, loads)
        for name, part in parts.items():
            self.account.count(name, np.where(part["valid"] == 1.0, part["energy"], np.nan))
        self.temperature.add(t, columns["battery_temperature"])
        if not self.main:
            if self.source.topic.rpartition("/")[2] == "meter":
                self.shared.bins.add(t, {f"meter.{name}": values for name, values in loads.items()})
            return
        for name, part in parts.items():
            self.switches.watch(t, f"load {name}", part["enabled"], "switched on", "switched off")
        self._show(t, columns, loads, total)
        self.shared.write("power", t=t, total_power=total, **columns, validity=bits)
        for name, part in parts.items():
            self.shared.write("loads", t=t, load=[name] * t.size, power=loads[name], energy=part["energy"],
                              enabled=part["enabled"] == 1.0, valid=part["valid"] == 1.0)  # fmt: skip

    def _usable(self, t: Floats, table: Table) -> tuple[dict[str, Floats], NDArray[np.int64]]:
        """Columns with what a message declares invalid made NaN."""
        columns = {name: values for name, values in table.columns.items() if "." not in name and "[" not in name}
        bits = columns.pop("validity").astype(np.int64)
        self.samples += t.size
        for name, bit in VALID.items():
            good = (bits & bit) != 0
            self.invalid[name] += int(np.sum(~good))
            for column in BELONGS.get(name, ()):
                columns[column] = np.where(good, columns[column], np.nan)
            if self.main:
                self.switches.watch(t, f"validity of {name}", good.astype(np.float64), "returned", "lost", bad="off")
        return columns, bits

    def _provenance(self, table: Table, parts: dict[str, dict[str, Floats]]) -> None:
        for name in ("rtg", "pv", "battery"):
            self._origin(name, table.columns.get(f"{name}_provenance.value", np.zeros(0)))
        for name, part in parts.items():
            self._origin(f"load {name}", part["provenance"])

    def _origin(self, name: str, values: Floats) -> None:
        known = values[np.isfinite(values)]
        if known.size:
            code = int(known[-1])
            self.provenance[name] = PROVENANCE[code] if code < len(PROVENANCE) else f"code {code}"

    def _show(self, t: Floats, c: dict[str, Floats], loads: dict[str, Floats], total: Floats) -> None:
        shown = {name: c[name] for name in TRACED} | {f"load.{name}": values for name, values in loads.items()}
        self.shared.trace("power").add(t, {**shown, "total_power": total})
        self.shared.bins.add(t, {"total": total, **self._compared(loads)})
        room, reserve = c["battery_capacity"] - c["battery_floor"], c["battery_energy"] - c["battery_floor"]
        uses = {
            "power": self.shared.share(total, c["available_power"]),
            "battery discharge": self.shared.share(c["battery_power"], c["discharge_limit"]),
            "battery floor": 1.0 - self.shared.share(reserve, room),
        }
        self.shared.trace("use").add(t, uses)

    def _compared(self, loads: dict[str, Floats]) -> dict[str, Floats]:
        """Measured loads, and what the description of the rover says of those that are constant."""
        found = {f"measured.{name}": values for name, values in loads.items() if name not in MOTION}
        moving = [values for name, values in loads.items() if name in MOTION]
        if moving:
            found["measured.drive"] = np.sum(moving, axis=0)
        if self.shared.rover is not None:
            constant = {"base": self.shared.rover.loads.base_power, "inference": self.shared.rover.loads.inference_power}
            found |= {f"predicted.{name}": np.full_like(loads[name], watts) for name, watts in constant.items() if name in loads}
        return found


class Battery:
    """A topic of BatteryState: charge counted against charge stated, and the run's power where nothing better is recorded."""

    def __init__(self, source: Source, shared: Shared) -> None:
        self.source, self.shared, self.account = source, shared, PowerAccount()
        self.coulombs = self.joules = 0.0
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}
        self.voltage, self.lowest = Extreme(), Extreme(least=True)
        self.percent = False
        self.samples = 0
        self.reserve = Check("state of charge floor", "-", floor=True)
        self._before = (math.nan, math.nan, math.nan)

    def add(self, table: Table) -> None:
        t, c = self.shared.clock(table.time), table.columns
        self.samples += t.size
        voltage, current, share = c["voltage"], c["current"], c["percentage"]
        if np.any(share > 1.0 + 1e-6):
            self.percent = True
        if self.percent:
            share = share / 100.0
        power = -voltage * current
        self._count(t, current, power)
        self.voltage.add(t, voltage)
        self.lowest.add(t, voltage)
        for name, values in (("charge", c["charge"]), ("capacity", c["capacity"]), ("percentage", share)):
            good = values[np.isfinite(values)]
            if good.size:
                self.first.setdefault(name, float(good[0]))
                self.last[name] = float(good[-1])
        limit = np.full(t.shape, self.shared.limits.get("power", np.nan))
        columns = {"battery_power": power, "state_of_charge": share, "available_power": limit}
        self.account.add(t, columns, {"at the battery": np.maximum(power, 0.0)})
        self.shared.trace(f"battery {self.source.topic}").add(
            t, {"state_of_charge": share, "voltage": voltage, "battery_power": power}
        )
        step = np.nan_to_num(np.diff(t, prepend=t[0] if t.size else 0.0))
        self.reserve.add(t, share, self.shared.limits.get("floor", math.nan), step)
        self.shared.write("battery", t=t, topic=[self.source.topic] * t.size, voltage=voltage, current=current,
                          charge=c["charge"], percentage=share, temperature=c["temperature"])  # fmt: skip

    def _count(self, t: Floats, current: Floats, power: Floats) -> None:
        """Trapezoids between messages."""
        times, amps, watts = (np.concatenate([[b], v]) for b, v in zip(self._before, (t, current, power), strict=True))
        steps = np.diff(times)
        steps = np.where((steps > 0.0) & np.isfinite(steps), steps, 0.0)
        self.coulombs += float(np.nansum(0.5 * (amps[1:] + amps[:-1]) * steps))
        self.joules += float(np.nansum(0.5 * (watts[1:] + watts[:-1]) * steps))
        self._before = float(times[-1]), float(amps[-1]), float(watts[-1])


class Motion:
    """A topic of Odometry."""

    def __init__(self, source: Source, shared: Shared) -> None:
        self.source, self.shared = source, shared
        self.account = MotionAccount(shared.rover if source.role == "odometry" else None, shared.gravity, shared.bins)
        self.begins = math.nan

    def add(self, table: Table) -> None:
        t = self.shared.clock(table.time)
        if not t.size:
            return
        self.begins = self.begins if math.isfinite(self.begins) else float(t[0])
        m = self.account.add(t, table.columns)
        if self.source.role != "odometry":
            return
        shown = {name: m[name] for name in ("speed", "yaw_rate", "along_slope", "tilt", "x", "y", "height")}
        self.shared.trace("motion").add(t, shown)
        limits = self.shared.rover.limits if self.shared.rover is not None else None
        if limits is not None:
            uses = {"speed": np.abs(m["speed"]) / limits.speed, "yaw rate": np.abs(m["yaw_rate"]) / limits.yaw_rate,
                    "slope": np.abs(m["along_slope"]) / limits.along_slope, "tilt": m["tilt"] / limits.tilt}  # fmt: skip
            self.shared.trace("use").add(t, uses)
        predicted = m.get("predicted_power", np.full(t.shape, np.nan))
        names = ("x", "y", "height", "heading", "speed", "yaw_rate", "along_slope", "tilt", "acceleration")
        self.shared.write("motion", t=t, **{name: m[name] for name in names}, predicted_power=predicted)


class Joints:
    """A topic of JointState: what the wheels' shafts say about the motors' power."""

    def __init__(self, source: Source, shared: Shared) -> None:
        self.source, self.shared = source, shared
        self.efficiency = shared.rover.locomotion.drivetrain_efficiency if shared.rover is not None else 1.0
        self.mechanical = shared.rover is None
        self.samples = 0

    def add(self, table: Table) -> None:
        t = self.shared.clock(table.time)
        self.samples += t.size
        if "velocity" not in table.columns or "effort" not in table.columns:
            return
        speeds, torques = table.columns["velocity"], table.columns["effort"]
        if speeds.ndim != 2 or speeds.shape != torques.shape:
            return
        names = [table.rows[0].texts.get(f"name[{i}]", "") for i in range(speeds.shape[1])]
        wheels = [i for i, name in enumerate(names) if name.startswith("drive_")] or list(range(len(names)))
        power = np.maximum(speeds[:, wheels] * torques[:, wheels], 0.0).sum(axis=1) / self.efficiency
        self.shared.bins.add(t, {"shafts.drive": power})
        self.shared.write("wheels", t=t, shaft_power=power)


class Scalar:
    """A topic with one number: a voltage, a current or a power."""

    def __init__(self, source: Source, shared: Shared, field_name: str) -> None:
        self.source, self.shared, self.field = source, shared, field_name
        self.account = PowerAccount()
        self.extreme, self.least = Extreme(), Extreme(least=True)
        self.samples = 0
        self.held: tuple[Floats, Floats] = (np.zeros(0), np.zeros(0))

    def add(self, table: Table) -> None:
        t = self.shared.clock(table.time)
        values = self.source.scale * table.columns.get(self.field, np.full(t.shape, np.nan))
        self.samples += t.size
        self.extreme.add(t, values)
        self.least.add(t, values)
        self.shared.trace("numbers").add(t, {self.source.topic: values})
        self.shared.write("numbers", t=t, topic=[self.source.topic] * t.size, value=values)
        if self.source.role == "power" or self.source.role.startswith("load "):
            limit = np.full(t.shape, self.shared.limits.get("power", np.nan) if self.source.role == "power" else np.nan)
            name = self.source.role.removeprefix("load ")
            self.account.add(t, {"available_power": limit}, {name: values})
        else:
            last = slice(-1, None)
            self.held = np.concatenate([self.held[0][last], t]), np.concatenate([self.held[1][last], values])
