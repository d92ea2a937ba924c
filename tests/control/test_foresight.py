"""What the map shows before the drive: too little supply, too much lean."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drive_cases import plan, world

from rover_energy.control.command import StopReason
from rover_energy.control.foresight import foreseen_power_stop, foreseen_tilt_stop
from rover_energy.control.reference import ROW, Reference
from rover_energy.terrain.raster import Terrain

W = world()
REFERENCE = Reference.sample(plan(), W.surface, W.environment, W.rover, W.mission)
WHEELS = [(a, b) for a in (0.5, 0.0, -0.5) for b in (0.4, -0.4)]


def test_the_least_supply_decides():
    least = float(REFERENCE.table[ROW["supply_power"]].min())
    assert foreseen_power_stop(REFERENCE, constant=least - 0.31, battery=0.0, margin=0.3) is None
    stop = foreseen_power_stop(REFERENCE, constant=least - 0.29, battery=0.0, margin=0.3)
    assert stop.reason is StopReason.POWER
    assert stop.foreseen
    assert foreseen_power_stop(REFERENCE, constant=least - 0.29, battery=1.0, margin=0.3) is None


@pytest.mark.parametrize("slope", [0.1, 0.3])
def test_on_a_plane_the_lean_is_its_slope(slope):
    axis = np.arange(0.0, 30.1, 0.25)
    ground = Terrain(np.tile(slope * axis, (axis.size, 1)), 0.0, 0.0, 0.25)
    lean = math.atan(slope)
    assert foreseen_tilt_stop(REFERENCE, ground, WHEELS, tilt=lean + 0.01) is None
    stop = foreseen_tilt_stop(REFERENCE, ground, WHEELS, tilt=lean - 0.01)
    assert stop.reason is StopReason.TILT
    assert f"{lean:.3f}" in stop.detail


def test_a_pebble_that_is_over_at_once_is_let_pass():
    """0.4 m high and two nodes wide: it lifts one wheel for less than what the watch allows."""
    axis = np.arange(0.0, 30.01, 0.05)
    height = np.zeros((axis.size, axis.size))
    fastest = int(np.argmax(REFERENCE.table[ROW["speed"]]))
    x, y, heading = (float(REFERENCE.table[ROW[name], fastest]) for name in ("x", "y", "heading"))
    speed = float(REFERENCE.table[ROW["speed"], fastest])
    wheel = x + 0.5 * math.cos(heading) - 0.4 * math.sin(heading), y + 0.5 * math.sin(heading) + 0.4 * math.cos(heading)

    def stop(radius):
        bump = height.copy()
        bump[np.hypot(axis[None, :] - wheel[0], axis[:, None] - wheel[1]) <= radius] = 0.8
        return foreseen_tilt_stop(REFERENCE, Terrain(bump, 0.0, 0.0, 0.05), WHEELS, tilt=0.3)

    assert stop(0.08 * speed) is None
    assert stop(0.5 * speed).reason is StopReason.TILT
