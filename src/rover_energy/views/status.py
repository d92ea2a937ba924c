"""The state of a rover as an operator needs it, from whatever messages come; what is old or missing is shown as such."""

from __future__ import annotations

import math
import time as clock
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from rover_energy.telemetry.recording import stamp_of
from rover_energy.views.series import level_of, told_by
from rover_energy.views.signals import total_power

#: Topics that are looked at -> age [s] above which what they said is no longer shown; infinite for what is said once.
WATCHED = {
    "power_state": 2.0, "odom": 2.0, "reference": 2.0, "/diagnostics": 10.0, "trajectory": math.inf, "compliance": math.inf,
}  # fmt: skip
LATCHED = 2.0  # [s] after the first message in which a trajectory is taken for one that began before
BACK = 60.0  # [s] by which time must go back to begin anew
HISTORY, BUNDLE = 240, 10  # points of the drawn course; windows for each, of which it shows the one with the least margin


@dataclass
class Status:
    """Values are NaN when they are not known. Times and ages are [s] by the messages' clock, energies [J], powers [W].

    live : messages come as they are made, so that ages also count in real time: when everything has stopped, so has their clock.
    """

    live: bool = False
    now: float = math.nan
    total: float = math.nan
    available: float = math.nan
    sources: dict[str, float] = field(default_factory=dict)
    loads: dict[str, float] = field(default_factory=dict)
    energy: float = math.nan
    floor: float = math.nan
    capacity: float = math.nan
    charge: float = math.nan
    place: tuple[float, float, float] = (math.nan, math.nan, math.nan)
    heading: float = math.nan
    speed: float = math.nan
    apart: float = math.nan
    plan: str = ""
    health: dict[str, tuple[str, str]] = field(default_factory=dict)
    verdict: tuple[str, str] | None = None
    peak: float = math.nan
    least_margin: float = math.nan
    over: int = 0
    messages: int = 0
    course: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=HISTORY))
    heard: dict[str, float] = field(default_factory=dict)
    _arrived: dict[str, float] = field(default_factory=dict)
    _begun: float = math.nan
    _ends: float = math.nan
    _pending: list[tuple[float, float]] = field(default_factory=list)

    @property
    def margin(self) -> float:
        """What is left of the available power [W]."""
        return self.available - self.total

    def age(self, topic: str) -> float:
        """Time since a topic was heard [s]; infinite when it never was."""
        if topic not in self.heard:
            return math.inf
        age = self.now - self.heard[topic]
        return max(age, clock.monotonic() - self._arrived[topic]) if self.live else age

    def fresh(self, topic: str) -> bool:
        """Whether what a topic said still counts."""
        return self.age(topic) <= WATCHED[topic]

    def add(self, topic: str, message: Any, time: int) -> None:
        """One message. topic : name in the contract. time : log time [ns]."""
        self.messages += 1
        if math.isnan(self._begun):
            self._begun = clock.monotonic()
        start = 0.0 if self.live else 1e-9 * time
        stamped = stamp_of(message, 0)  # without a stamp a message belongs to now: live, its log time is another clock's
        at = 1e-9 * stamped if stamped else (self.now if math.isfinite(self.now) else start)
        if at < self.now - BACK:  # a loop has begun anew, or another simulation
            self.heard, self.course, self.plan = {}, deque(maxlen=HISTORY), ""
            self.now = at
        self.now = at if not self.now > at else self.now
        if topic not in WATCHED:
            return
        self.heard[topic] = max(at, self.heard.get(topic, -math.inf)) if topic != "/diagnostics" else self.now
        self._arrived[topic] = clock.monotonic()
        if topic == "power_state":
            self._power(message)
        elif topic == "odom":
            self._pose(message)
        elif topic == "reference":
            at_plan = message.pose.pose.position
            self.apart = math.hypot(self.place[0] - at_plan.x, self.place[1] - at_plan.y)
        elif topic == "/diagnostics":
            self.health = {item.name: (level_of(item.level), item.message) for item in message.status}
        elif topic == "trajectory":
            late = self.live and clock.monotonic() - self._begun < LATCHED  # kept for latecomers: nobody knows when it began
            self.plan, self.verdict = message.plan_id, None
            self._ends = math.nan if late else self.now + float(message.duration)
        else:
            self.verdict = told_by(topic, message)[0]
            self._ends = math.nan

    def _power(self, m: Any) -> None:
        sources = m.validity & m.RTG_VALID and m.validity & m.PV_VALID
        known, battery = m.validity & m.LOADS_VALID, m.validity & m.BATTERY_VALID
        self.total = total_power(m) if known else math.nan
        self.available = float(m.available_power)
        self.loads = {load.name: float(load.power) if known else math.nan for load in m.loads}
        self.sources = {
            "RTG": float(m.rtg_power) if sources else math.nan, "solar": float(m.pv_power) if sources else math.nan,
            "battery": float(m.battery_power) if battery else math.nan, "shunt": -float(m.shunt_power),
        }  # fmt: skip
        self.energy, self.charge = (float(m.battery_energy), float(m.state_of_charge)) if battery else (math.nan, math.nan)
        self.floor, self.capacity = float(m.battery_floor), float(m.battery_capacity)
        if not self.total <= self.peak:
            self.peak = self.total
        if not self.margin >= self.least_margin:
            self.least_margin = self.margin
        self.over += self.margin < 0.0
        self._pending.append((self.total, self.available))
        if len(self._pending) >= BUNDLE:
            self.course.append(min(self._pending, key=lambda pair: pair[1] - pair[0]))
            self._pending.clear()

    def _pose(self, m: Any) -> None:
        p, q = m.pose.pose.position, m.pose.pose.orientation
        self.place = float(p.x), float(p.y), float(p.z)
        self.heading = math.atan2(2.0 * (q.w * q.z + q.x * q.y), 1.0 - 2.0 * (q.y * q.y + q.z * q.z))
        self.speed = float(m.twist.twist.linear.x)

    @property
    def remaining(self) -> float:
        """Time to the planned end [s]; NaN without a drive."""
        left = self._ends - self.now
        return max(0.0, left) if math.isfinite(left) else math.nan

    def alarms(self) -> list[str]:
        """What must be seen first; empty when nothing is wrong."""
        found = []
        if not self.fresh("power_state"):
            found.append("NO POWER DATA" if math.isinf(self.age("power_state")) else f"POWER {self.age('power_state'):.0f}s OLD")
        elif not self.margin >= 0.0:
            found.append("POWER NOT KNOWN" if math.isnan(self.margin) else f"OVER {-self.margin:.1f}W")
        if self.fresh("power_state") and self.capacity > 0.0 and not self.energy > self.floor:
            found.append("BATTERY NOT KNOWN" if math.isnan(self.energy) else "BATTERY FLOOR")
        if not self.fresh("odom"):
            found.append("NO POSE" if math.isinf(self.age("odom")) else f"POSE {self.age('odom'):.0f}s OLD")
        found += [f"{name.upper()} {level}" for name, (level, _) in self.health.items() if level != "OK"]
        if self.verdict is not None and self.verdict[0] != "OK":
            found.append("LIMITS NOT KEPT")
        return found
