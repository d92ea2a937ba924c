"""A made traverse: smooth path over bumpy ground, loads and sources from formulas of a few lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from shapely.geometry import Point

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.power.battery import BatteryParameters
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface


@dataclass
class MadeTraverse:
    """Arguments of `write_report` apart from the directory and the title."""

    terrain: Terrain
    surface: Surface
    profile: dict[str, Any]
    certificate: dict[str, Any]
    plan: dict[str, Any]
    rover: RoverParameters
    mission: MissionParameters
    environment: Environment | None = None
    keep_outs: list[Any] = field(default_factory=list)

    def arguments(self) -> dict[str, Any]:
        return dict(vars(self))


def bumpy_terrain() -> Terrain:
    x, y = np.meshgrid(np.arange(0.0, 40.01, 0.5), np.arange(0.0, 30.01, 0.5))
    height = 0.8 * np.sin(x / 5.0) * np.cos(y / 6.0) + 1.6 * np.exp(-((x - 30.0) ** 2 + (y - 8.0) ** 2) / 12.0)
    rocks = tuple(Point(cx, cy).buffer(r) for cx, cy, r in ((12.0, 20.0, 0.9), (22.0, 9.0, 0.6), (26.0, 21.0, 1.1)))
    return Terrain(height, 0.0, 0.0, 0.5, "bumpy field", rocks)


def made_profile(surface: Surface, samples: int, duration: float = 130.0, battery: bool = True) -> dict[str, Any]:
    """A profile whose speed is slowed where the load would pass the supply; the numbers are plausible, not planned."""
    t = np.linspace(0.0, duration, samples)
    u = t / duration
    way = u - np.sin(2 * np.pi * u) / (2 * np.pi)
    x, y = 5.0 + 29.0 * way, 8.0 + 12.0 * way + 3.5 * np.sin(2.0 * np.pi * way)
    slope_x, slope_y = np.full_like(way, 29.0), 12.0 + 7.0 * np.pi * np.cos(2 * np.pi * way)
    rate = (1.0 - np.cos(2 * np.pi * u)) / duration
    speed = np.hypot(slope_x, slope_y) * rate
    heading = np.unwrap(np.arctan2(slope_y, slope_x))
    step = t[1] - t[0]
    slope = surface.along_slope(x, y, heading)
    yaw_rate = np.gradient(heading, step)
    drive = np.maximum(0.0, 200.0 * 1.62 * np.sin(slope) + 80.0) * speed / 0.6
    turn = 40.0 * np.abs(yaw_rate) / 0.6
    base, inference = np.full_like(t, 55.0), np.where((t > 40.0) & (t < 75.0), 9.0, 0.0)
    total = base + inference + drive + turn
    rtg, pv = np.full_like(t, 101.0), 14.0 + 6.0 * np.cos(heading)
    power = np.clip(total - rtg - pv, -30.0, 60.0) if battery else np.zeros_like(t)
    flow = np.where(power > 0.0, power / 0.95, power * 0.95)
    drawn = np.concatenate([[0.0], np.cumsum(0.5 * (flow[1:] + flow[:-1]) * np.diff(t))])
    energy = 6.0e4 - drawn if battery else np.zeros_like(t)
    return {
        "t": t, "x": x, "y": y, "heading": heading, "speed": speed, "acceleration": np.gradient(speed, step),
        "yaw_rate": yaw_rate, "along_slope": slope, "tilt": surface.tilt(x, y), "rtg_power": rtg, "pv_power": pv,
        "battery_power": power, "base_power": base, "drive_power": drive, "turn_power": turn,
        "inference_power": inference, "total_power": total,
        "available_power": rtg + pv + (36.0 if battery else 0.0), "battery_energy": energy,
        "state_of_charge": energy / 1.0e5 if battery else np.full_like(t, np.nan), "sunlit": np.ones_like(t),
        "shunted_power": rtg + pv + power - total, "unserved_power": np.zeros_like(t),
    }  # fmt: skip


def made_certificate(profile: dict[str, Any], passed: bool = True) -> dict[str, Any]:
    total, available, t = (np.asarray(profile[name]) for name in ("total_power", "available_power", "t"))
    worst = int(np.argmax(total))
    margin = float((available - total).min()) if passed else -3.25
    rows = [
        ("total_power", "W", total[worst], available[worst], margin, 0.031),
        ("speed", "m/s", profile["speed"].max(), 0.5, 0.5 - profile["speed"].max(), 0.0004),
        ("along_slope", "rad", 0.17453, 0.2617994, 0.0872694, 1e-5),
        ("state_of_charge", "-", 0.55321, 0.15, 0.40321, 1e-6),
        ("goal_position", "m", 2.3e-5, 1e-3, 9.77e-4, None),
    ]
    keys = ("name", "unit", "worst_value", "limit", "margin", "between_samples_bound")
    checks = [{**dict(zip(keys, row, strict=True)), "at_time": float(t[worst]), "passed": True} for row in rows]
    checks[0]["passed"] = passed
    return {
        "passed": passed, "step": 0.01, "samples": len(t), "checks": checks, "peak_power": float(total.max()),
        "least_power_margin": margin, "least_battery_margin": 4.1234e4,
    }  # fmt: skip


def make_traverse(samples: int = 13001, battery: bool = True, passed: bool = True) -> MadeTraverse:
    terrain = bumpy_terrain()
    surface = Surface.from_terrain(terrain, 0.4)
    profile = made_profile(surface, samples, battery=battery)
    plan = {
        "kind": "unicycle", "start": [5.0, 8.0, 0.87],
        "pieces": [{"duration": 13.0, "heading": [0.8, 0.01], "speed": [0.1]}] * 10,
        "status": "optimal", "solver": {"name": "fatrop", "iterations": 41, "solve_time": 0.0123, "stages": {"search": 0.0021}},
    }  # fmt: skip
    store = BatteryParameters(capacity=1.0e5 if battery else 0.0, floor=0.15)
    return MadeTraverse(
        terrain, surface, profile, made_certificate(profile, passed), plan, RoverParameters(name="Test rover", battery=store),
        MissionParameters(), Environment.constant(1.62, np.radians(250.0), np.radians(6.0), 1361.0, terrain=terrain),
    )  # fmt: skip


@pytest.fixture(name="make_traverse")
def make_traverse_fixture() -> Any:
    """The builder, so that a test can ask for its own variant."""
    return make_traverse


@pytest.fixture(scope="session", name="traverse")
def traverse_fixture() -> MadeTraverse:
    """The usual variant: 130 s at 10 ms, with battery, certificate passed."""
    return make_traverse()
