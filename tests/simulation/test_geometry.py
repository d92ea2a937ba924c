"""The running gear: masses that add up, loads that are equal, and descriptions that cannot be built."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from simulation_cases import GRAVITY, ROVER, rover

from rover_energy.errors import InputError
from rover_energy.simulation.geometry import WHEELS, GeometryParameters, rover_geometry


@pytest.mark.parametrize("mass", [20.0, 60.0, 200.0, 899.0])
def test_masses_add_up_at_every_size(mass: float) -> None:
    g = rover_geometry(rover(mass), gravity=GRAVITY)
    total = g.body_mass + 6.0 * g.wheel_mass + 2.0 * (g.rocker_mass + g.bogie_mass)
    assert total == pytest.approx(mass, rel=1e-12)
    assert min(g.body_inertia) > 0.0
    assert g.body_inertia[2] < g.body_inertia[0] + g.body_inertia[1]  # no body breaks this inequality


def test_statics_gives_equal_loads() -> None:
    """Moments about the rocker's pivot and the bogie's pivot, solved for the loads of a side under a unit force."""
    g = rover_geometry(ROVER, gravity=GRAVITY)
    front, middle, rear = (g.positions[WHEELS.index(name), 0] for name in ("fl", "ml", "rl"))
    pivot, bogie = g.rocker_pivot[0], g.bogie_pivot[0]
    equations = np.array([
        [1.0, 1.0, 1.0],
        [0.0, middle - bogie, rear - bogie],
        [front - pivot, bogie - pivot, bogie - pivot],
    ])  # fmt: skip
    np.testing.assert_allclose(np.linalg.solve(equations, [1.0, 0.0, 0.0]), 1.0 / 3.0, rtol=1e-12)


def test_lengths_come_from_the_rover_unless_given() -> None:
    derived = rover_geometry(ROVER, gravity=GRAVITY)
    assert derived.wheel_radius == pytest.approx(0.153)
    assert derived.track + derived.wheel_width == pytest.approx(ROVER.width)
    given = rover_geometry(ROVER, GeometryParameters(track=0.8, wheel_base=0.9, wheel_radius=0.12), gravity=GRAVITY)
    assert (given.track, given.wheel_base, given.wheel_radius) == (0.8, 0.9, 0.12)


def test_tightest_turn_is_where_the_inner_corner_reaches_its_range() -> None:
    g = rover_geometry(ROVER, gravity=GRAVITY)
    angle = math.atan2(g.wheel_base / 2.0, g.tightest_turn - g.track / 2.0)
    assert angle == pytest.approx(g.parameters.steering_range)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"track": 0.1}, "track"), ({"wheel_base": 0.4}, "wheel_base"), ({"steering_range": 0.4}, "steering_range"),
        ({"wheel_mass": 0.1, "track": 2.5}, "locomotion.yaw_inertia"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_is_refused(change: dict[str, float], field: str) -> None:
    with pytest.raises(InputError) as caught:
        rover_geometry(ROVER, dataclasses.replace(GeometryParameters(), **change), gravity=GRAVITY)
    assert caught.value.field == field


def test_nan_is_refused() -> None:
    with pytest.raises(InputError, match="finite"):
        GeometryParameters(track=math.nan)
