import math

import numpy as np
import pytest
import shapely
from front_end_cases import flat, ramp
from scipy.integrate import solve_ivp

from rover_energy.errors import InputError
from rover_energy.planning.path import Path, arc_end, check_path, path_from_arcs
from rover_energy.rover import RoverParameters
from rover_energy.terrain.surface import Surface

ROVER = RoverParameters()
LEVEL = Surface.from_terrain(flat(), 0.4)


def clothoid(length: float = 12.0, n: int = 161, top: float = 0.3) -> Path:
    """Curvature falling linearly, integrated independently."""
    s = np.linspace(0.0, length, n)
    rate = -top / length

    def slope(at: float, state: np.ndarray) -> list[float]:
        return [math.cos(state[2]), math.sin(state[2]), top + rate * at]

    x, y, heading = solve_ivp(slope, (0.0, length), [10.0, 10.0, 0.2], t_eval=s, rtol=1e-11, atol=1e-12).y
    return Path(s, x, y, heading, top + rate * s)


def test_arc_end_closed_forms():
    assert arc_end((1.0, 2.0, 0.0), 0.0, 3.0) == pytest.approx((4.0, 2.0, 0.0))
    assert arc_end((0.0, 0.0, 0.0), 0.5, math.pi) == pytest.approx((2.0, 2.0, math.pi / 2.0))
    assert arc_end((0.0, 0.0, 0.0), -0.5, math.pi) == pytest.approx((2.0, -2.0, -math.pi / 2.0))


def test_arcs_follow_their_circles_and_keep_the_branch():
    path = path_from_arcs((5.0, 5.0, 6.0), [(0.5, 4.0), (0.0, 2.0), (-0.25, 3.0)], 0.1)
    assert path.length == pytest.approx(9.0)
    assert path.heading[0] == 6.0
    assert path.heading[-1] == pytest.approx(6.0 + 2.0 - 0.75)
    centre = 5.0 - 2.0 * math.sin(6.0), 5.0 + 2.0 * math.cos(6.0)
    on_first = path.s <= 4.0
    assert np.hypot(path.x[on_first] - centre[0], path.y[on_first] - centre[1]) == pytest.approx(2.0)
    assert np.max(np.diff(path.s)) <= 0.1 + 1e-12


def test_interpolation_is_of_fourth_order():
    coarse, fine = clothoid(n=81), clothoid(n=1281)
    x, y, heading, curvature = coarse.at(fine.s)
    assert np.hypot(x - fine.x, y - fine.y).max() < 1e-7
    assert np.abs(heading - fine.heading).max() < 1e-12
    assert curvature == pytest.approx(fine.curvature, abs=1e-12)
    assert np.isnan(coarse.at([-0.1, 12.1])[0]).all()


def test_a_clothoid_within_the_limits_passes():
    margins = check_path(clothoid(), LEVEL, ROVER, start=(10.0, 10.0, 0.2 + 2.0 * math.pi))
    assert margins.feasible, margins
    assert margins.curvature == pytest.approx(ROVER.limits.curvature - 0.3, abs=1e-9)
    assert margins.integrability < 1e-6
    assert margins.keep_out == math.inf


def test_curvature_is_yaw_rate_over_speed_on_a_slope():
    surface = Surface.from_terrain(ramp(0.2), 0.0)
    across = path_from_arcs((15.0, 15.0, math.pi / 2.0), [(0.1, 0.02)], 0.01)  # along the contour: cos(along_slope) = 1
    margin = check_path(across, surface, ROVER).curvature
    assert margin == pytest.approx(ROVER.limits.curvature - 0.1 / math.cos(0.2), abs=1e-5)


@pytest.mark.parametrize(
    ("name", "path", "surface", "keep_outs"),
    [
        ("curvature", path_from_arcs((10.0, 10.0, 0.0), [(0.7, 2.0)]), LEVEL, ()),
        ("along_slope", path_from_arcs((10.0, 10.0, 0.0), [(0.0, 5.0)]), Surface.from_terrain(ramp(0.28), 0.0), ()),
        ("tilt", path_from_arcs((10.0, 10.0, math.pi / 2), [(0.0, 5.0)]), Surface.from_terrain(ramp(0.36), 0.0), ()),
        ("keep_out", path_from_arcs((10.0, 10.0, 0.0), [(0.0, 5.0)]), LEVEL, (shapely.box(12, 10.49, 13, 12),)),
        ("map_edge", path_from_arcs((27.0, 10.0, 0.0), [(0.0, 5.0)]), LEVEL, ()),
    ],
)  # fmt: skip
def test_each_violation_is_named(name, path, surface, keep_outs):
    assert name in check_path(path, surface, ROVER, keep_outs=keep_outs).violations


def test_what_barely_holds_passes():
    straight = path_from_arcs((10.0, 10.0, 0.0), [(0.0, 5.0)])
    clear = check_path(straight, LEVEL, ROVER, keep_outs=(shapely.box(12, 10.51, 13, 12),))
    assert clear.feasible
    assert clear.keep_out == pytest.approx(0.01)
    assert check_path(straight, Surface.from_terrain(ramp(0.26), 0.0), ROVER).feasible


def test_a_heading_that_is_not_the_tangent_fails():
    good = clothoid()
    skewed = Path(good.s, good.x, good.y, good.heading + 0.003, good.curvature)
    assert check_path(skewed, LEVEL, ROVER).violations == ("integrability",)


def test_poses_are_compared_modulo_a_turn():
    path = clothoid()
    goal = (path.x[-1], path.y[-1], path.heading[-1] - 2.0 * math.pi)
    assert check_path(path, LEVEL, ROVER, goal=goal).goal_error < 1e-12
    assert "goal_error" in check_path(path, LEVEL, ROVER, goal=(goal[0], goal[1], goal[2] + 1e-3)).violations


def test_no_data_is_found():
    height = np.zeros((61, 61))
    height[20, 30] = np.nan
    terrain = type(flat())(height, 0.0, 0.0, 0.5)
    path = path_from_arcs((10.0, 10.0, 0.0), [(0.0, 8.0)])
    assert check_path(path, Surface.from_terrain(terrain, 0.4), ROVER).violations == ("no_data",)


@pytest.mark.parametrize(
    "arrays",
    [
        ([0.0], [0.0], [0.0], [0.0], [0.0]),
        ([0.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]),
        ([0.0, 1.0], [0.0, math.nan], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]),
        ([0.0, 1.0], [0.0, 1.0, 2.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]),
    ],
)
def test_bad_samples_are_refused(arrays):
    with pytest.raises(InputError, match="path"):
        Path(*(np.array(a) for a in arrays))


def test_arcs_without_length_are_refused():
    with pytest.raises(InputError, match="no length"):
        path_from_arcs((0.0, 0.0, 0.0), [(0.3, 0.0)])
