"""Attitude on raw ground against planes, against a rocker-bogie solved wheel by wheel, and the climb against energy."""

from __future__ import annotations

import numpy as np
import pytest

from rover_energy.control.stance import climb_along, stance_at
from rover_energy.errors import InputError
from rover_energy.terrain.raster import Terrain

WHEELS = np.array([(0.5, 0.45), (0.5, -0.45), (0.0, 0.45), (0.0, -0.45), (-0.5, 0.45), (-0.5, -0.45)])


def terrain(function, cell=0.2, size=20.0):
    axis = np.arange(0.0, size + cell / 2, cell)
    return Terrain(function(axis[None, :], axis[:, None]), 0.0, 0.0, cell)


@pytest.mark.parametrize("heading", [0.0, 0.7, -2.5])
def test_a_plane_is_met_exactly(heading):
    ground = terrain(lambda x, y: 0.1 * x - 0.06 * y + 3.0)
    stance = stance_at(ground, WHEELS, np.array([8.0, 9.3]), np.array([7.0, 11.1]), np.full(2, heading))
    hx, hy = stance.gradient(np.full(2, heading))
    np.testing.assert_allclose(hx, 0.1, atol=1e-12)
    np.testing.assert_allclose(hy, -0.06, atol=1e-12)
    np.testing.assert_allclose(stance.height, 0.1 * np.array([8.0, 9.3]) - 0.06 * np.array([7.0, 11.1]) + 3.0, atol=1e-12)


def test_one_wheel_on_a_stone():
    """A stone of height d under the front left wheel: that rocker leans d over 1.5 half wheel bases, the body half of it."""
    height = np.zeros((101, 101))
    height[52, 55] = 0.12  # at x 11.0, y 10.4
    wheels = WHEELS.copy()
    wheels[:, 1] = np.sign(wheels[:, 1]) * 0.4
    wheels[[0, 1], 0], wheels[[4, 5], 0] = 1.0, -1.0
    stance = stance_at(Terrain(height, 0.0, 0.0, 0.2), wheels, np.array([10.0]), np.array([10.0]), np.array([0.0]))
    assert stance.forward[0] == pytest.approx(0.5 * 0.12 / 1.5)
    assert stance.height[0] == pytest.approx(0.12 / 6.0)
    assert stance.leftward[0] == pytest.approx((0.12 / 3.0) / 0.8)


def test_the_climb_adds_up_to_the_height():
    ground = terrain(lambda x, y: 0.3 * np.sin(0.9 * x) + 0.1 * np.cos(1.3 * y))
    s = np.linspace(0.0, 12.0, 1201)
    stance = stance_at(ground, WHEELS, 4.0 + s, np.full(s.size, 9.0), np.zeros(s.size))
    climb = climb_along(s, stance.height)
    gained = np.trapezoid(climb, s)
    assert gained == pytest.approx(stance.height[-1] - stance.height[0], abs=2e-3)
    np.testing.assert_allclose(climb[100:-100], np.gradient(stance.height, s)[100:-100], atol=0.06)


def test_places_out_of_order_are_refused():
    ground = terrain(lambda x, y: 0.0 * x * y)
    here = np.array([5.0])
    for wheels in (WHEELS[::-1], WHEELS[:4]):
        with pytest.raises(InputError, match="six places"):
            stance_at(ground, wheels, here, here, here)
