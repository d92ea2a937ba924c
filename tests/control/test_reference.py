"""The sampled plan against its exact evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from drive_cases import plan, world

from rover_energy.control.reference import FIELDS, Reference
from rover_energy.errors import InputError
from rover_energy.planning.evaluation import evaluate_plan
from rover_energy.planning.trajectory import Trajectory

W, PLAN = world(), plan()
REFERENCE = Reference.sample(PLAN, W.surface, W.environment, W.rover, W.mission)


def test_interpolation_is_close_to_the_plan():
    times = np.sort(np.random.default_rng(0).uniform(0.0, PLAN.duration, 200))
    profile = evaluate_plan(PLAN, W.surface, W.environment, W.rover, W.mission, times)
    points = np.array([REFERENCE.at(t) for t in times]).T
    for name, tolerance in (("x", 1e-4), ("heading", 1e-4), ("speed", 1e-4), ("yaw_rate", 1e-3), ("total_power", 0.3)):
        np.testing.assert_allclose(points[FIELDS.index(name)], getattr(profile, name), atol=tolerance)
    np.testing.assert_allclose(points[FIELDS.index("grade")], 1.62 * np.sin(profile.along_slope), atol=1e-3)


def test_it_is_held_beyond_its_ends():
    assert REFERENCE.at(-5.0) == REFERENCE.at(0.0)
    assert REFERENCE.at(1e6) == pytest.approx(REFERENCE.at(PLAN.duration))


@pytest.mark.parametrize("t", [0.0, 3.33, PLAN.duration - 0.3, PLAN.duration, PLAN.duration + 9.0])
def test_what_is_ahead_begins_now_and_ends_with_the_plan(t):
    after, columns = REFERENCE.ahead(t, 6.0, 0.2)
    assert after.size == columns.shape[1] >= 1
    assert after[0] <= REFERENCE.step
    assert np.all(np.diff(after) > 0.0)
    assert after[-1] <= 6.0


def test_on_a_smooth_map_raw_ground_and_surface_agree():
    wheels = np.array([(x, y) for x in (0.2, 0.0, -0.2) for y in (0.2, -0.2)])
    raw = Reference.sample(PLAN, W.surface, W.environment, W.rover, W.mission, terrain=W.terrain, wheels=wheels)
    for name, tolerance in (("grade", 0.012), ("supply_power", 2.5), ("slip", 0.01)):
        row = FIELDS.index(name)
        np.testing.assert_allclose(raw.table[row, 60:-60], REFERENCE.table[row, 60:-60], atol=tolerance)


def test_a_plan_that_leaves_the_map_is_refused():
    start, heading, speed = np.array([29.0, 29.0, 0.5]), np.array([[0.5]]), np.array([[0.4]])
    far = Trajectory("unicycle", start, np.array([40.0]), heading=heading, speed=speed)
    with pytest.raises(InputError, match="leaves the map"):
        Reference.sample(far, W.surface, W.environment, W.rover, W.mission)
