"""The rover's power and motion limits as CasADi expressions at one instant of the trajectory.

This is the optimiser's own statement of the physics; the certificate (`certificate.py`) derives the same quantities
independently in numpy. Where the exact law has a kink, the expression errs on the safe side: demand is never under-
and supply never over-stated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import casadi as ca

#: Constants of one problem, in the order in which the compiled oracle receives them.
CONSTANTS = (
    "mass", "gravity", "yaw_inertia", "inverse_efficiency", "turn_moment",
    "resistance_0", "resistance_1", "resistance_2", "c1", "c2",
    "slip_maximum", "slip_ratio", "slip_gain",
    "load_power", "rtg_power", "pv_gain", "panel_x", "panel_y", "panel_z",
    "max_speed", "max_acceleration", "max_yaw_rate", "max_curvature",
    "discharge_power", "charge_power", "capacity", "discharge_taper", "charge_taper",
    "charge_efficiency", "discharge_efficiency", "power_limit",
    "weight_time", "weight_smoothness", "weight_energy", "penalty_weight", "penalty_sharpness",
)  # fmt: skip

#: Path rows at every sample: (name, the field of the limits it belongs to). All are scaled to be of order one.
ROWS = (
    "power_left", "power_right", "speed", "acceleration", "yaw_rate",
    "curvature_left", "curvature_right", "along_slope", "tilt", "clearance",
)  # fmt: skip

POWER_SCALE = 100.0  # [W]
ENERGY_SCALE = 1000.0  # [J], state and rate of the stored and the consumed energy
_DRIVE_EPSILON = 1.0  # [W] width of the rounding of max(0, F v)
_SPIN_EPSILON = 0.02  # [W] the same for the yaw inertia term
_SUPPLY_EPSILON = 0.1  # [W] rounding of min() in the supplies
_TURN_EPSILON = 0.002  # [rad/s] rounding of |yaw_rate| in the energy integrals only
_INCIDENCE_EPSILON = 0.003  # rounding of max(0, cos incidence)


@dataclass(frozen=True)
class Instant:
    """Symbols at one instant: motion state, terrain, light, stored energy."""

    heading: Any
    heading_rate: Any
    heading_acceleration: Any
    speed: Any  # horizontal [m/s]
    speed_rate: Any
    hx: Any
    hy: Any
    hxx: Any
    hxy: Any
    hyy: Any
    sunlit: Any
    clearance: Any
    sun: tuple[Any, Any, Any]
    direct: Any
    diffuse: Any
    energy: Any  # stored [kJ]


@dataclass(frozen=True)
class Response:
    """What the model says of an instant."""

    rows: list[Any]  # in the order of ROWS
    total_power: Any  # [W]
    stored_rate: Any  # d(stored energy)/dt [W], never over-stated
    penalty: Any = 0.0  # cost rate of the soft power limit; only in the baseline that has one


def upper_positive(value: Any, epsilon: float) -> Any:
    """Smooth bound from above of max(0, value)."""
    return 0.5 * (value + ca.sqrt(value * value + epsilon * epsilon))


def lower_positive(value: Any, epsilon: float) -> Any:
    """Smooth bound from below of max(0, value), exactly 0 at 0 and within epsilon^2 / (4 value) of large values."""
    root = ca.sqrt(value * value + epsilon * epsilon)
    return 0.5 * (value + root - epsilon * epsilon / root)


def lower_minimum(left: Any, right: Any, epsilon: float) -> Any:
    """Smooth bound from below of min(left, right)."""
    difference = left - right
    return 0.5 * (left + right - ca.sqrt(difference * difference + epsilon * epsilon))


def respond(at: Instant, c: dict[str, Any], *, battery: bool, penalty: bool = False) -> Response:
    """Rows, power and battery rate at one instant, from the constants `c` (names of CONSTANTS).

    `penalty` adds the soft power limit of the baseline in `baselines.py`.
    """
    cos_heading, sin_heading = ca.cos(at.heading), ca.sin(at.heading)
    grade = at.hx * cos_heading + at.hy * sin_heading  # tan(along_slope)
    steepness = at.hx * at.hx + at.hy * at.hy  # tan(tilt)^2
    stretch = ca.sqrt(1 + grade * grade)  # 1/cos(along_slope)
    lean = ca.sqrt(1 + steepness)  # 1/cos(tilt)
    speed = at.speed * stretch
    yaw_rate = at.heading_rate * lean
    grade_rate, lean_rate = _surface_rates(at, cos_heading, sin_heading, lean)
    acceleration = at.speed_rate * stretch + at.speed * grade * grade_rate / stretch
    yaw_acceleration = at.heading_acceleration * lean + at.heading_rate * lean_rate

    rolling = _rolling_force(speed, lean, c)
    pull = c["mass"] * (acceleration + c["gravity"] * grade / stretch)
    drive = _drive_power(speed, pull + rolling, grade, c)
    spin = upper_positive(c["yaw_inertia"] * yaw_acceleration * yaw_rate, _SPIN_EPSILON)
    scrub = c["turn_moment"] * c["inverse_efficiency"] * yaw_rate
    load = c["load_power"] + drive + c["inverse_efficiency"] * spin
    supply = c["rtg_power"] + _pv_power(at, grade, stretch, lean, cos_heading, sin_heading, c)
    turning = c["turn_moment"] * c["inverse_efficiency"] * ca.sqrt(yaw_rate * yaw_rate + _TURN_EPSILON**2)
    total = load + turning
    available, stored_rate = _battery(at.energy, supply, supply - total, c) if battery else (supply, 0.0)
    available = lower_minimum(available, c["power_limit"], _SUPPLY_EPSILON)
    rows = [
        # |yaw_rate| written as both signs: no rounding where the limit binds
        (load + scrub - available) / POWER_SCALE,
        (load - scrub - available) / POWER_SCALE,
        speed / c["max_speed"],
        acceleration / c["max_acceleration"],
        yaw_rate / c["max_yaw_rate"],
        (yaw_rate - c["max_curvature"] * speed) / c["max_yaw_rate"],
        (-yaw_rate - c["max_curvature"] * speed) / c["max_yaw_rate"],
        grade,
        steepness,
        at.clearance,
    ]
    soft: Any = 0.0
    if penalty:
        spare = available - c["load_power"] - rolling * speed
        soft = soft_limit(pull * speed, c["yaw_inertia"] * yaw_acceleration * yaw_rate, spare, c)
    return Response(rows, total, stored_rate, soft)


def soft_limit(linear: Any, rotational: Any, spare: Any, c: dict[str, Any]) -> Any:
    """w softplus(hypot(P_lin, P_rot) - tau)^2, the smooth power limit reported of Hu et al. (arXiv 2509.15062), Eqs. (18)-(21).

    tau = `spare`, the power left for motion, is our reconstruction: see docs/physics.md. The hypotenuse is rounded by 1e-6 W.
    """
    excess = ca.sqrt(linear * linear + rotational * rotational + 1e-12) - spare
    sharpness = c["penalty_sharpness"]
    softplus = ca.fmax(excess, 0) + ca.log1p(ca.exp(-ca.fabs(sharpness * excess))) / sharpness
    return c["penalty_weight"] * softplus * softplus


def _surface_rates(at: Instant, cos_heading: Any, sin_heading: Any, lean: Any) -> tuple[Any, Any]:
    """Time derivatives of tan(along_slope) and of 1/cos(tilt) along the motion."""
    along_x = at.hxx * cos_heading + at.hxy * sin_heading
    along_y = at.hxy * cos_heading + at.hyy * sin_heading
    across = at.hy * cos_heading - at.hx * sin_heading
    grade_rate = at.speed * (along_x * cos_heading + along_y * sin_heading) + at.heading_rate * across
    lean_rate = at.speed * (at.hx * along_x + at.hy * along_y) / lean
    return grade_rate, lean_rate


def _rolling_force(speed: Any, lean: Any, c: dict[str, Any]) -> Any:
    cos_tilt = 1 / lean
    rest = c["resistance_0"] + cos_tilt * (c["resistance_1"] + cos_tilt * c["resistance_2"])
    return rest + speed * (c["c1"] + speed * c["c2"])


def _drive_power(speed: Any, force: Any, grade: Any, c: dict[str, Any]) -> Any:
    slip = c["slip_maximum"] / (1 + c["slip_ratio"] * ca.exp(-c["slip_gain"] * grade))
    return c["inverse_efficiency"] * upper_positive(force * speed / (1 - slip), _DRIVE_EPSILON)


def _pv_power(at: Instant, grade: Any, stretch: Any, lean: Any, cos_heading: Any, sin_heading: Any, c: dict[str, Any]) -> Any:
    """Array on the tilted body: panel normal = x_b panel_x + y_b panel_y + z_b panel_z."""
    up = (-at.hx / lean, -at.hy / lean, 1 / lean)
    forward = (cos_heading / stretch, sin_heading / stretch, grade / stretch)
    left = (
        up[1] * forward[2] - up[2] * forward[1],
        up[2] * forward[0] - up[0] * forward[2],
        up[0] * forward[1] - up[1] * forward[0],
    )
    normal = [c["panel_x"] * f + c["panel_y"] * s + c["panel_z"] * u for f, s, u in zip(forward, left, up, strict=True)]
    incidence = sum(n * s for n, s in zip(normal, at.sun, strict=True))
    direct = at.direct * at.sunlit * lower_positive(incidence, _INCIDENCE_EPSILON)
    return c["pv_gain"] * (direct + at.diffuse * 0.5 * (1 + normal[2]))


def _battery(energy: Any, supply: Any, net: Any, c: dict[str, Any]) -> tuple[Any, Any]:
    """Available power with the battery's help, and the rate of its stored energy."""
    charge_state = energy * ENERGY_SCALE / c["capacity"]
    discharge = c["discharge_power"] * lower_minimum(1.0, charge_state / c["discharge_taper"], 1e-3)
    charge = c["charge_power"] * lower_minimum(1.0, (1 - charge_state) / (1 - c["charge_taper"]), 1e-3)
    accepted = c["charge_efficiency"] * lower_minimum(net, charge, _SUPPLY_EPSILON)
    return supply + discharge, lower_minimum(accepted, net / c["discharge_efficiency"], _SUPPLY_EPSILON)
