"""Motion as it was measured, what the demand model says that it should have cost, and the limits of motion over the run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.locomotion.demand import drive_power, turn_power
from rover_energy.rover import RoverParameters
from rover_energy.telemetry.power_account import Check
from rover_energy.telemetry.traces import Bins

Floats = NDArray[np.float64]
SMOOTH = 5  # samples over which speed and yaw rate are averaged before they are differentiated
AUTOCORRELATION = 0.95  # of residuals from second to second, at most believed
LIMITS = (("speed", "m/s", "speed"), ("yaw rate", "rad/s", "yaw_rate"), ("slope", "rad", "along_slope"), ("tilt", "rad", "tilt"))


def motion_columns(t: Floats, raw: Mapping[str, Floats]) -> dict[str, Floats]:
    """Odometry as motion, (n,) each: x, y, heading, speed, yaw_rate, along_slope, tilt, acceleration, yaw_acceleration.

    t : (n,) [s]. raw : fields of nav_msgs/Odometry. The slope along the heading and the tilt are those of the body (REP 103: its
    x axis points forward, so climbing is a negative pitch).
    """
    w, x, y, z = (raw[f"pose.pose.orientation.{axis}"] for axis in "wxyz")
    norm = np.sqrt(w * w + x * x + y * y + z * z)
    norm = np.where(norm > 0.5, norm, np.nan)
    w, x, y, z = w / norm, x / norm, y / norm, z / norm
    speed, yaw_rate = raw["twist.twist.linear.x"], raw["twist.twist.angular.z"]
    return {
        "x": raw["pose.pose.position.x"], "y": raw["pose.pose.position.y"], "height": raw["pose.pose.position.z"],
        "heading": np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z)), "speed": speed, "yaw_rate": yaw_rate,
        "along_slope": np.arcsin(np.clip(2.0 * (x * z - w * y), -1.0, 1.0)),
        "tilt": np.arccos(np.clip(1.0 - 2.0 * (x * x + y * y), -1.0, 1.0)),
        "acceleration": _rate(t, speed), "yaw_acceleration": _rate(t, yaw_rate),
    }  # fmt: skip


def _rate(t: Floats, values: Floats) -> Floats:
    """Derivative of the values, averaged over a few samples."""
    if t.size <= SMOOTH or not np.all(np.diff(t) > 0.0):
        return np.zeros_like(values)
    kernel = np.ones(SMOOTH)
    smooth = np.convolve(values, kernel, mode="same") / np.convolve(np.ones_like(values), kernel, mode="same")
    rate: Floats = np.gradient(smooth, t)
    rate[: SMOOTH // 2], rate[-(SMOOTH // 2) :] = rate[SMOOTH // 2], rate[-(SMOOTH // 2) - 1]
    return rate


@dataclass
class MotionAccount:
    """Distance, extremes and limits of motion; with a rover and the body's gravity also what the model predicts."""

    rover: RoverParameters | None
    gravity: float
    bins: Bins
    distance: float = 0.0  # between places [m]
    along: float = 0.0  # by the speed [m]
    placed: bool = False
    moved: bool = False
    samples: int = 0
    checks: list[Check] = field(default_factory=list)
    _last: tuple[float, float, float] = (math.nan, math.nan, math.nan)

    def add(self, t: Floats, raw: Mapping[str, Floats]) -> dict[str, Floats]:
        """A batch; returns its columns."""
        m = motion_columns(t, raw)
        self.samples += t.size
        xs, ys = np.concatenate([[self._last[1]], m["x"]]), np.concatenate([[self._last[2]], m["y"]])
        legs = np.hypot(np.diff(xs), np.diff(ys))
        step = np.clip(np.nan_to_num(np.diff(t, prepend=self._last[0])), 0.0, 1.0)
        self.distance += float(np.nansum(legs))
        self.along += float(np.nansum(np.abs(m["speed"]) * step))
        self.placed |= bool(np.isfinite(legs).any())
        self.moved |= bool(np.isfinite(m["speed"]).any())
        self._last = float(t[-1]), float(m["x"][-1]), float(m["y"][-1])
        if self.rover is not None:
            self._limits(t, m, step, self.rover)
            m |= self._predict(m, self.rover)
            self.bins.add(t, {"predicted.drive": m["predicted_power"]})
        return m

    @property
    def way(self) -> float | None:
        """Way of the rover [m]: between its places, by its speed where these are not known, None where neither is."""
        return self.distance if self.placed else self.along if self.moved else None

    def _limits(self, t: Floats, m: Mapping[str, Floats], step: Floats, rover: RoverParameters) -> None:
        self.checks = self.checks or [Check(name, unit, tolerance=1e-3) for name, unit, _ in LIMITS]
        for check, (_, _, column) in zip(self.checks, LIMITS, strict=True):
            check.add(t, np.abs(m[column]), float(getattr(rover.limits, column)), step)

    def _predict(self, m: Mapping[str, Floats], rover: RoverParameters) -> dict[str, Floats]:
        drive = drive_power(
            rover.locomotion, speed=np.abs(m["speed"]), acceleration=m["acceleration"] * np.sign(m["speed"]),
            along_slope=m["along_slope"] * np.where(m["speed"] < 0.0, -1.0, 1.0), tilt=m["tilt"], gravity=self.gravity,
        )  # fmt: skip
        turn = turn_power(rover.locomotion, yaw_rate=m["yaw_rate"], yaw_acceleration=m["yaw_acceleration"])
        return {"predicted_power": drive + turn}


def model_residual(bins: Bins, measured: str, predicted: str) -> dict[str, Any] | None:
    """Measured less predicted power of one load over the run; None without both.

    Returns energies [J], mean and root mean square of the residual [W], its drift [W/h] with a standard error that allows for
    residuals of neighbouring seconds being alike, and whether the drift is more than three of these.
    """
    t, a, b = bins.pair(measured, predicted)
    if t.size < 3:
        return None
    residual = a - b
    centred = t - t.mean()
    spread = float(centred @ centred)
    slope = float(centred @ residual) / spread
    left = residual - residual.mean() - slope * centred
    variance = float(left @ left) / max(t.size - 2, 1)
    likeness = float(left[1:] @ left[:-1]) / float(left @ left) if float(left @ left) > 0.0 else 0.0
    likeness = min(max(likeness, 0.0), AUTOCORRELATION)
    error = math.sqrt(variance / spread * (1.0 + likeness) / (1.0 - likeness))
    joules = float(b.sum()) * bins.width
    return {
        "seconds": t.size * bins.width, "measured_J": float(a.sum()) * bins.width, "predicted_J": joules,
        "bias_W": float(residual.mean()), "rms_W": float(np.sqrt(np.mean(residual**2))),
        "relative": float(residual.sum()) * bins.width / joules if joules > 0.0 else None,
        "drift_W_per_h": 3600.0 * slope, "drift_error_W_per_h": 3600.0 * error,
        "drifts": bool(abs(slope) > 3.0 * error and error > 0.0),
    }  # fmt: skip
