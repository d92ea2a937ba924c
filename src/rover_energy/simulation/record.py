"""What happened on a drive, window by window of the power meter, and what it comes to."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.control.command import Stop, StopReason
from rover_energy.errors import InputError
from rover_energy.power.bus import Ledger

Array = NDArray[np.float64]

#: Columns of a record, one value per window. Powers are means over the window at the bus [W], the rest holds at its end, in SI
#: units. `factor_*`: estimated over model; `spread`: standard deviation of the resistance's factor; `cap`: of the drivers.
COLUMNS = (
    "time", "plan_time", "x", "y", "heading", "speed", "yaw_rate", "plan_x", "plan_y", "plan_heading", "plan_speed",
    "error_along", "error_lateral", "error_heading", "command_speed", "command_yaw_rate", "cap", "rate", "rate_ceiling",
    "motion_power", "constant_power", "total_power", "plan_power", "supply_power", "available_power", "battery_energy",
    "factor_mass", "factor_resistance", "factor_turning", "factor_slip", "spread",
)  # fmt: skip


@dataclass(frozen=True)
class Event:
    """Something worth noting: when [s], and a line about it."""

    time: float
    text: str


@dataclass(frozen=True, eq=False)
class RunRecord:
    """A drive.

    columns : (n,) arrays by the names of `COLUMNS`. window : length of a window [s]. stop : how it ended. plan_duration : [s].
    plan_energy : that the plan takes for motion [J]. floor : least allowed battery energy [J]. ledger : every joule of it.
    events : in order of time. cpu : seconds of the controller in each period, (m,) [s].
    """

    columns: dict[str, Array]
    window: float
    stop: Stop
    plan_duration: float
    plan_energy: float
    floor: float
    ledger: Ledger
    events: list[Event] = field(default_factory=list)
    cpu: Array = field(default_factory=lambda: np.zeros(0))

    def __getattr__(self, name: str) -> Array:
        columns = self.__dict__.get("columns", {})
        if name not in columns:
            raise AttributeError(name)
        column: Array = columns[name]
        return column

    @property
    def reached(self) -> bool:
        """Whether the goal was reached."""
        return self.stop.reason is StopReason.GOAL

    @property
    def duration(self) -> float:
        """From start to stop [s]."""
        return self.stop.time - (float(self.columns["time"][0]) - self.window)

    @property
    def lost_time(self) -> float:
        """Share by which the drive took longer than the plan."""
        return self.duration / self.plan_duration - 1.0

    @property
    def excess(self) -> float:
        """Largest power above what was available, in any window [W]; negative is a margin. NaN is passed on."""
        return float(np.max(self.columns["total_power"] - self.columns["available_power"]))

    @property
    def windows_over(self) -> int:
        """Windows whose power was not at or below what was available, to rounding; NaN counts."""
        return int(np.sum(~(self.columns["total_power"] <= self.columns["available_power"] + 1e-9)))

    @property
    def least_battery_margin(self) -> float:
        """Least battery energy above the floor [J]."""
        return float(self.columns["battery_energy"].min()) - self.floor

    @property
    def motion_energy(self) -> float:
        """Taken by drive and steering [J]."""
        return float(self.columns["motion_power"].sum() * self.window)

    def error_quantiles(self, share: float = 0.95) -> tuple[float, float]:
        """Position error [m] and absolute heading error [rad] that so many windows of the drive stay within."""
        distance = np.hypot(self.columns["error_along"], self.columns["error_lateral"])
        return float(np.quantile(distance, share)), float(np.quantile(np.abs(self.columns["error_heading"]), share))

    def summary(self) -> dict[str, Any]:
        """The figures of the drive as plain data."""
        distance, heading = self.error_quantiles()
        busy = self.cpu if self.cpu.size else np.array([np.nan])
        return {
            "stop": self.stop.reason.name, "detail": str(self.stop), "duration": self.duration, "lost_time": self.lost_time,
            "excess": self.excess, "windows": int(self.columns["time"].size), "windows_over": self.windows_over,
            "position_error_95": distance, "heading_error_95": heading, "battery_margin": self.least_battery_margin,
            "motion_energy": self.motion_energy, "plan_energy": self.plan_energy, "ledger_closed": self.ledger.closed,
            "control_ms_median": 1e3 * float(np.median(busy)), "control_ms_95": 1e3 * float(np.quantile(busy, 0.95)),
        }  # fmt: skip

    def write(self, folder: str | Path) -> None:
        """`run.csv` with all columns and `run.json` with the summary and the events. Raises InputError when it cannot."""
        folder = Path(folder)
        table = np.column_stack([self.columns[name] for name in COLUMNS])
        facts = {**self.summary(), "events": [[event.time, event.text] for event in self.events]}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            np.savetxt(folder / "run.csv", table, fmt="%.9g", delimiter=",", header=",".join(COLUMNS), comments="")
            (folder / "run.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(str(folder), "folder", error.strerror or "cannot be written", "check its path and rights") from None
