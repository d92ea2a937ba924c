"""A second opinion on plans: limits, power and battery from `plan.json` alone, with numpy and scipy.

Nothing of rover_energy's planner, evaluation or certificate is used here. The terrain is read by `map_coordinates` on its own
filtered heights; slopes are central differences of heights, acceleration and yaw acceleration central differences in time of
speed and yaw rate along the piece's polynomial; no second derivative of the terrain is needed. The power model is written out
from the documented equations, the battery is stepped every 10 ms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

Array = NDArray[np.float64]

STEP = 0.01  # [s]
SPAN = 5e-4  # [m] half the distance of the heights whose difference is a slope
INSTANT = 2e-4  # [s] half the time over which speed and yaw rate are differenced
REST = 1e-3  # [m/s] below which curvature is not asked for
POWER, MOTION = 1e-4, 0.1  # [%] over a limit that are no fault
GAUSS = tuple((0.5 + 0.5 * n, 0.5 * w) for n, w in zip(*np.polynomial.legendre.leggauss(4), strict=True))
CAPACITY_TABLE = ((233.15, 253.15, 273.15, 293.15, 333.15), (0.50, 0.70, 0.85, 1.0, 0.95))
ACTIVATION = 30000.0 / 8.314462618  # [K]


@dataclass(frozen=True, eq=False)
class Ground:
    """Heights of a terrain [m] after the footprint's average, and the light on it, all by scipy."""

    filtered: Array
    x0: float
    y0: float
    cell: float
    times: Array
    sun: Array
    direct: Array
    diffuse: Array
    sunlit: Array | None
    light_grid: tuple[float, float, float]
    gravity: float
    polygons: Sequence[Any] = ()

    @classmethod
    def of(cls, terrain: Any, environment: Any, footprint: float, keep_outs: Sequence[Any] = ()) -> Ground:
        """From the arrays of a terrain without gaps and of an environment."""
        height = np.asarray(terrain.height, dtype=float)
        if not np.all(np.isfinite(height)):
            raise ValueError("the second opinion knows no gaps in the terrain")
        height = height - height.mean()
        if footprint > 0.0:
            height = gaussian_filter(height, footprint / terrain.cell, mode="mirror", truncate=4.0)
        e = environment
        return cls(
            spline_filter(height, order=3, mode="mirror"), terrain.x0, terrain.y0, terrain.cell, e.times, e.sun, e.direct,
            e.diffuse, e.sunlit, (e.x0, e.y0, e.cell), e.gravity, tuple(keep_outs),
        )  # fmt: skip

    def height(self, x: Array, y: Array) -> Array:
        """[m], NaN outside the nodes."""
        at = [(y - self.y0) / self.cell, (x - self.x0) / self.cell]
        result: Array = map_coordinates(self.filtered, at, order=3, mode="mirror", prefilter=False)
        ny, nx = self.filtered.shape
        result[(at[0] < 0) | (at[0] > ny - 1) | (at[1] < 0) | (at[1] > nx - 1)] = np.nan
        return result

    def slopes(self, x: Array, y: Array, heading: Array) -> tuple[Array, Array]:
        """Slope along the heading and to the left of it [-]."""
        ex, ey = np.cos(heading), np.sin(heading)
        along = self.height(x + SPAN * ex, y + SPAN * ey) - self.height(x - SPAN * ex, y - SPAN * ey)
        across = self.height(x - SPAN * ey, y + SPAN * ex) - self.height(x + SPAN * ey, y - SPAN * ex)
        return along / (2.0 * SPAN), across / (2.0 * SPAN)

    def light(self, x: Array, y: Array, t: Array) -> tuple[Array, Array, Array, Array]:
        """Vector to the Sun (m, 3), direct and diffuse irradiance [W/m2], visible fraction of the disc."""
        if self.times.size == 1:
            low, weight = np.zeros(t.size, dtype=int), np.zeros(t.size)
        else:
            where = (t - self.times[0]) / (self.times[1] - self.times[0])
            low = np.clip(np.floor(where).astype(int), 0, self.times.size - 2)
            weight = np.where((t >= self.times[0]) & (t <= self.times[-1] + 1e-9), where - low, np.nan)
        high = np.minimum(low + 1, self.times.size - 1)

        def between(values: Array) -> Array:
            w = weight.reshape(-1, *[1] * (values.ndim - 1))
            return np.asarray((1.0 - w) * values[low] + w * values[high])

        seen = np.ones(t.size)
        if self.sunlit is not None:
            x0, y0, cell = self.light_grid
            row, column = (y - y0) / cell + 1.0, (x - x0) / cell + 1.0
            layers = [np.zeros(t.size), np.zeros(t.size)]
            for into, index in zip(layers, (low, high), strict=True):
                for k in np.unique(index):
                    pick = index == k
                    into[pick] = map_coordinates(
                        self.sunlit[k], [row[pick], column[pick]], order=3, mode="nearest", prefilter=False
                    )
            seen = (1.0 - weight) * layers[0] + weight * layers[1]
        return between(self.sun), between(self.direct), between(self.diffuse), seen


@dataclass
class Opinion:
    """Worst of everything. Excesses are in percent of the limit, at or below 0 when kept; `faults` tells what is broken."""

    duration: float
    peak_power: float
    excess: dict[str, float]  # [% of the limit]
    below_floor: float  # [J]
    least_energy: float  # [J]
    over_budget: float  # [% of the budget]
    ledger: float  # relative closure
    goal_error: float  # [m, rad]
    jump: float  # at joints [m, rad, m/s]
    keep_out: float  # [m] missing to half the width
    samples: int
    consumed: float  # [J]
    faults: list[str] = field(default_factory=list)


def opinion(plan: Mapping[str, Any], ground: Ground, goal: Sequence[float]) -> Opinion:
    """Evaluate the data of a `plan.json` of kind "unicycle", every 10 ms and at every joint."""
    if plan["kind"] != "unicycle":
        raise ValueError(f"kind {plan['kind']!r}: only unicycle plans are known here")
    rover, mission = plan["rover"], plan["mission"]
    track = _track(plan)
    motion = _motion(track, ground)
    power = _power(motion, track, ground, rover, mission)
    store = _battery(power, track, rover, mission)
    available = power["supply"] + store["give"]
    if mission["power_limit"] is not None:
        available = np.minimum(available, mission["power_limit"])
    limits = rover["limits"]
    moving = motion["speed"] > REST
    turn = np.abs(motion["yaw_rate"])
    values = {
        "power": power["total"] / available,
        "speed": motion["speed"] / limits["speed"],
        "reverse": 1.0 - motion["speed"] / limits["speed"],
        "acceleration": np.abs(motion["acceleration"]) / limits["acceleration"],
        "yaw_rate": turn / limits["yaw_rate"],
        "curvature": turn[moving] / motion["speed"][moving] / limits["curvature"],
        "along_slope": np.abs(np.arctan(motion["along"])) / limits["along_slope"],
        "tilt": np.arctan(np.hypot(motion["along"], motion["across"])) / limits["tilt"],
    }
    excess = {name: 100.0 * (float(np.max(value, initial=0.0)) - 1.0) for name, value in values.items()}
    budget = mission["energy_budget"]
    result = Opinion(
        duration=float(track["t"][-1]), peak_power=float(np.max(power["total"])), excess=excess,
        below_floor=store["below_floor"], least_energy=store["least"],
        over_budget=-math.inf if budget is None else 100.0 * (store["consumed"] / budget - 1.0), ledger=store["ledger"],
        goal_error=_goal_error(track, goal), jump=track["jump"], keep_out=_keep_out(track, ground, rover),
        samples=int(track["t"].size), consumed=store["consumed"],
    )  # fmt: skip
    result.faults = _faults(result, mission)
    return result


def _faults(result: Opinion, mission: Mapping[str, Any]) -> list[str]:
    """What is broken: power to the precision of the differences here, motion to the tolerance that the certificate states."""
    faults = [f"{n} {value:+.4g} %" for n, value in result.excess.items() if not value <= (POWER if n == "power" else MOTION)]
    faults += [f"battery {result.below_floor:.4g} J below floor"] if not result.below_floor <= 0.0 else []
    faults += [f"budget {result.over_budget:+.4g} %"] if not result.over_budget <= 0.0 else []
    faults += [f"goal {result.goal_error:.3g}"] if not result.goal_error <= 1.001e-3 else []
    faults += [f"jump {result.jump:.3g}"] if not result.jump <= 1e-5 else []
    faults += [f"keep-out {result.keep_out:.3g} m"] if not result.keep_out <= 1e-6 else []
    faults += [f"ledger {result.ledger:.3g}"] if not result.ledger <= 1e-6 else []
    late = mission["deadline"] is not None and not result.duration <= mission["deadline"]
    return faults + (["deadline"] if late else [])


def _track(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Times, local times, polynomials and poses at all samples; positions by Gauss quadrature from sample to sample."""
    x, y, heading = (float(v) for v in plan["start"])
    parts: dict[str, list[Array]] = {name: [] for name in ("t", "local", "x", "y")}
    rows: dict[str, list[Array]] = {"heading": [], "speed": []}
    began, jump, end = 0.0, 0.0, (heading, 0.0)
    for number, piece in enumerate(plan["pieces"]):
        turn, push = np.array(piece["heading"], dtype=float), np.array(piece["speed"], dtype=float)
        jump = max(jump, abs(turn[0] - end[0]) if number else abs(math.remainder(turn[0] - end[0], 2.0 * math.pi)))
        jump = max(jump, abs(push[0] - end[1]))
        s = np.linspace(0.0, piece["duration"], math.ceil(piece["duration"] / STEP) + 1)
        dx, dy = _advance(turn, push, s[:-1], np.diff(s))
        parts["x"].append(x + np.concatenate(([0.0], np.cumsum(dx))))
        parts["y"].append(y + np.concatenate(([0.0], np.cumsum(dy))))
        parts["t"].append(began + s)
        parts["local"].append(s)
        for name, row in (("heading", turn), ("speed", push)):
            rows[name].append(np.tile(np.pad(row, (0, 8 - row.size)), (s.size, 1)))
        x, y, began = float(parts["x"][-1][-1]), float(parts["y"][-1][-1]), began + float(piece["duration"])
        end = (_at(turn, s[-1:])[0], _at(push, s[-1:])[0])
    joined = {name: np.concatenate(arrays) for name, arrays in (*parts.items(), *rows.items())}
    return {**joined, "jump": max(jump, abs(end[1])), "pose": (x, y, end[0])}


def _at(coefficients: Array, s: Array, order: int = 0) -> Array:
    """Polynomial, or its derivative, with ascending coefficients (k,) or (m, k), at s (m,)."""
    c = np.atleast_2d(coefficients)
    for _ in range(order):
        c = c[:, 1:] * np.arange(1, c.shape[1])
    result = np.zeros(s.size)
    for k in reversed(range(c.shape[1])):
        result = result * s + c[:, k]
    return result


def _advance(heading: Array, speed: Array, s: Array, length: Array | float) -> tuple[Array, Array]:
    """Displacement in x and y over [s, s + length]."""
    dx, dy = np.zeros(s.size), np.zeros(s.size)
    for node, weight in GAUSS:
        at = s + node * length
        distance, theta = weight * length * _at(speed, at), _at(heading, at)
        dx += distance * np.cos(theta)
        dy += distance * np.sin(theta)
    return dx, dy


def _motion(track: Mapping[str, Any], ground: Ground) -> dict[str, Array]:
    """Motion on the surface; rates by central differences along the polynomials."""

    def moments(offset: float) -> tuple[Array, Array, Array, Array]:
        s = track["local"] + offset
        dx, dy = _advance(track["heading"], track["speed"], track["local"], offset)
        theta = _at(track["heading"], s)
        along, across = ground.slopes(track["x"] + dx, track["y"] + dy, theta)
        speed = _at(track["speed"], s) * np.sqrt(1.0 + along**2)
        return along, across, speed, _at(track["heading"], s, 1) * np.sqrt(1.0 + along**2 + across**2)

    along, across, speed, yaw_rate = moments(0.0)
    before, after = moments(-INSTANT), moments(INSTANT)
    rates = [(b - a) / (2.0 * INSTANT) for a, b in zip(before[2:], after[2:], strict=True)]
    return {
        "along": along,
        "across": across,
        "speed": speed,
        "yaw_rate": yaw_rate,
        "acceleration": rates[0],
        "yaw_acceleration": rates[1],
    }


def _power(
    motion: Mapping[str, Array], track: Mapping[str, Any], ground: Ground, rover: Mapping[str, Any], mission: Mapping[str, Any]
) -> dict[str, Array]:
    """Loads and supply at the bus [W]."""
    move = rover["locomotion"]
    if move["resistance"]["model"] != "polynomial":
        raise ValueError("the second opinion knows polynomial resistance only")
    v, tangent = motion["speed"], motion["along"]
    c0, c1, c2 = (move["resistance"][name] for name in ("c0", "c1", "c2"))
    sine = tangent / np.sqrt(1.0 + tangent**2)
    force = move["mass"] * (motion["acceleration"] + ground.gravity * sine) + c0 + c1 * v + c2 * v * v
    law = move["slip"]
    slip = 0.0
    if law["flat"] > 0.0:
        slip = law["maximum"] / (1.0 + (law["maximum"] / law["flat"] - 1.0) * np.exp(-law["gain"] * tangent))
    omega = motion["yaw_rate"]
    drive = np.maximum(0.0, force * v / (1.0 - slip)) / move["drivetrain_efficiency"]
    spin = np.maximum(0.0, move["yaw_inertia"] * motion["yaw_acceleration"] * omega)
    turn = (spin + move["turn_moment"] * np.abs(omega)) / move["drivetrain_efficiency"]
    total = rover["loads"]["base_power"] + rover["loads"]["inference_power"] + drive + turn
    return {"total": total, "supply": _generator(rover["rtg"], mission) + _array(motion, track, ground, rover["pv"])}


def _generator(rtg: Mapping[str, Any], mission: Mapping[str, Any]) -> float:
    years = mission["years_since_fuelling"]
    fuel: float = rtg["units"] * rtg["beginning_of_life_power"] * 0.5 ** (years / rtg["half_life"])
    return fuel * (1.0 - rtg["converter_degradation"]) ** years


def _array(motion: Mapping[str, Array], track: Mapping[str, Any], ground: Ground, pv: Mapping[str, Any]) -> Array:
    theta = _at(track["heading"], track["local"])
    along, across = motion["along"], motion["across"]
    hx, hy = along * np.cos(theta) - across * np.sin(theta), along * np.sin(theta) + across * np.cos(theta)
    up = np.stack([-hx, -hy, np.ones_like(hx)]) / np.sqrt(1.0 + hx**2 + hy**2)
    forward = np.stack([np.cos(theta), np.sin(theta), along]) / np.sqrt(1.0 + along**2)
    left = np.cross(up, forward, axis=0)
    lean, way = pv["panel_pitch"], pv["panel_azimuth"]
    normal = math.sin(lean) * (math.cos(way) * forward + math.sin(way) * left) + math.cos(lean) * up
    sun, direct, diffuse, seen = ground.light(track["x"], track["y"], track["t"])
    plane = direct * seen * np.maximum(0.0, np.sum(normal.T * sun, axis=1)) + diffuse * (1.0 + normal[2]) / 2.0
    warm = max(0.0, 1.0 + pv["temperature_coefficient"] * (pv["cell_temperature"] - pv["reference_temperature"]))
    gain = pv["area"] * pv["efficiency"] * warm * pv["conversion_efficiency"] * pv["dust_factor"]
    return np.asarray(gain * plane)


def _battery(
    power: Mapping[str, Array], track: Mapping[str, Any], rover: Mapping[str, Any], mission: Mapping[str, Any]
) -> dict[str, Any]:
    """Step the store with Heun's rule and keep the account."""
    b = rover["battery"]
    capacity = b["capacity"] * float(np.interp(b["temperature"], *CAPACITY_TABLE))
    cold = min(1.0, math.exp(-ACTIVATION * (1.0 / b["temperature"] - 1.0 / 293.15))) if capacity > 0.0 else 0.0
    most_out = b["max_discharge_power"] * cold if mission["use_battery"] else 0.0
    most_in = b["max_charge_power"] * cold

    def flows(net: float, energy: float) -> tuple[float, float]:
        soc = energy / capacity if capacity > 0.0 else 0.0
        out = most_out * min(1.0, max(0.0, soc) / b["discharge_taper"]) if b["discharge_taper"] > 0.0 else most_out
        into = most_in * min(1.0, max(0.0, (1.0 - soc) / (1.0 - b["charge_taper"]))) if b["charge_taper"] < 1.0 else most_in
        return min(max(0.0, -net), out), min(max(0.0, net), into)

    net = power["supply"] - power["total"]
    dt = np.diff(track["t"])
    energy = np.empty(net.size)
    energy[0] = mission["state_of_charge"] * capacity
    account = {"unserved": 0.0, "shunted": 0.0, "lost": 0.0}
    now = float(energy[0])
    for i, (a, c, h) in enumerate(zip(net[:-1].tolist(), net[1:].tolist(), dt.tolist(), strict=True)):
        given, taken = flows(a, now)
        first = b["charge_efficiency"] * taken - given / b["discharge_efficiency"]
        later = flows(c, now + h * first)
        given, taken = 0.5 * (given + later[0]), 0.5 * (taken + later[1])
        mean = 0.5 * (a + c)
        account["unserved"] += h * max(0.0, 0.5 * (max(0.0, -a) + max(0.0, -c)) - given)
        account["shunted"] += h * (mean + 0.5 * (max(0.0, -a) + max(0.0, -c)) - taken)
        account["lost"] += h * (given * (1.0 / b["discharge_efficiency"] - 1.0) + taken * (1.0 - b["charge_efficiency"]))
        now += h * (b["charge_efficiency"] * taken - given / b["discharge_efficiency"])
        energy[i + 1] = now
    soc = energy / capacity if capacity > 0.0 else 0.0 * energy
    taper = np.clip(soc / b["discharge_taper"], 0.0, 1.0) if b["discharge_taper"] > 0.0 else 1.0
    middle = [0.5 * (values[1:] + values[:-1]) for values in (power["supply"], power["total"])]
    made, used = (float(values @ dt) for values in middle)
    left = made + account["unserved"] - used - (now - float(energy[0])) - account["shunted"] - account["lost"]
    floor = b["floor"] * capacity
    return {
        "give": most_out * taper, "below_floor": floor - float(energy.min()) if capacity > 0.0 else -math.inf,
        "least": float(energy.min()), "consumed": used, "ledger": abs(left) / max(made, used, 1e-3),
    }  # fmt: skip


def _goal_error(track: Mapping[str, Any], goal: Sequence[float]) -> float:
    x, y, heading = track["pose"]
    return max(math.hypot(x - goal[0], y - goal[1]), abs(math.remainder(heading - goal[2], 2.0 * math.pi)))


def _keep_out(track: Mapping[str, Any], ground: Ground, rover: Mapping[str, Any]) -> float:
    """By how much the way of the centre comes nearer to a polygon than half the width [m]; at or below 0 when kept."""
    if not ground.polygons:
        return -math.inf
    line = shapely.LineString(np.column_stack([track["x"], track["y"]]))
    return 0.5 * float(rover["width"]) - float(min(line.distance(polygon) for polygon in ground.polygons))
