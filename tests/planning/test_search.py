import math
from dataclasses import replace

import numpy as np
import pytest
import shapely
from front_end_cases import LEAN, cost_map, flat, ramp, random_poses, rough

from rover_energy.errors import InputError
from rover_energy.planning.dubins import WORDS, dubins_words
from rover_energy.planning.front_end import find_path
from rover_energy.planning.native_map import dubins_lengths, library
from rover_energy.planning.path import arc_end, check_path
from rover_energy.planning.search import FINE, SearchFailure, SearchOptions, allowance, find_arcs
from rover_energy.planning.search_fallback import cost_field
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain

ROVER = RoverParameters()
compiled = pytest.mark.skipif(library() is None, reason="no C compiler")


def without_compiler(monkeypatch):
    monkeypatch.setattr("rover_energy.planning.search.library", lambda: None)
    monkeypatch.setattr("rover_energy.planning.smoothing.library", lambda: None)


def walled(gap: float = 0.0) -> Terrain:
    """Level ground with a wall across the map, and a gap in its middle [m]."""
    walls = [shapely.box(14.5, -5.0, 15.5, 15.0 - gap / 2.0), shapely.box(14.5, 15.0 + gap / 2.0, 15.5, 35.0)]
    return Terrain(flat().height, 0.0, 0.0, 0.5, "walled", tuple(walls))


# ---- Dubins ----


@pytest.mark.parametrize(
    ("goal", "length"),
    [
        ((10.0, 0.0, 0.0), 10.0),  # straight on
        ((2.0, 2.0, math.pi / 2.0), math.pi),  # quarter circle of radius 2 to the left
        ((2.0, -2.0, -math.pi / 2.0), math.pi),
        ((0.0, 4.0, math.pi), 2.0 * math.pi),  # half circle
        ((0.0, 10.0, math.pi), 2.0 * math.pi + 6.0),  # two quarters with a straight between
        ((7.0, 4.0, 0.0), 2.0 * math.pi + 3.0),  # quarter left, straight, quarter right is one of the words
    ],
)
def test_dubins_closed_forms(goal, length):
    lengths = dubins_words((0.0, 0.0, 0.0), goal, 2.0)[:, :, 1].sum(axis=1)
    assert lengths.min() <= length + 1e-9
    if goal != (7.0, 4.0, 0.0):
        assert lengths.min() == pytest.approx(length)


def test_every_dubins_word_ends_at_the_goal():
    rng = np.random.default_rng(3)
    found = np.zeros(6, dtype=int)
    for _ in range(300):
        start, goal = rng.uniform(-4.0, 4.0, (2, 3))
        for k, word in enumerate(dubins_words(start, goal, 1.3)):
            if not np.all(np.isfinite(word)):
                continue
            found[k] += 1
            pose = tuple(start)
            for curvature, length in word:
                assert length >= 0.0
                pose = arc_end(pose, curvature, length)
            assert math.dist(pose[:2], goal[:2]) < 1e-6, WORDS[k]
            assert abs(math.remainder(pose[2] - goal[2], 2.0 * math.pi)) < 1e-6
    assert np.all(found > 50)


def test_dubins_agrees_with_ompl():
    base = pytest.importorskip("ompl.base")
    space = base.DubinsStateSpace(1.7)
    bounds = base.RealVectorBounds(2)
    bounds.setLow(-20.0)
    bounds.setHigh(20.0)
    space.setBounds(bounds)
    rng = np.random.default_rng(4)
    for _ in range(200):
        poses = rng.uniform(-8.0, 8.0, (2, 3))
        states = []
        for pose in poses:
            state = space.allocState()
            state.setX(float(pose[0]))
            state.setY(float(pose[1]))
            state.setYaw(math.remainder(float(pose[2]), 2.0 * math.pi))
            states.append(state)
        ours = dubins_words(*poses, 1.7)[:, :, 1].sum(axis=1).min()
        assert ours == pytest.approx(space.distance(*states), abs=1e-5)


@compiled
def test_dubins_in_c_and_python_are_the_same():
    rng = np.random.default_rng(5)
    for _ in range(300):
        start, goal = (tuple(p) for p in rng.uniform(-5.0, 5.0, (2, 3)))
        assert dubins_lengths(start, goal, 1.5) == pytest.approx(dubins_words(start, goal, 1.5), abs=1e-9)


# ---- what the search finds ----


def test_straight_on_level_ground_is_optimal():
    costmap = cost_map(flat())
    result = find_arcs(costmap, (5.0, 15.0, 0.0), (25.0, 15.0, 0.0))
    assert result.cost == pytest.approx(20.0 * costmap.least_cost, rel=1e-6)
    assert result.path().heading == pytest.approx(0.0, abs=1e-9)


def test_uniform_cost_is_that_of_the_shortest_dubins_curve_or_a_little_more():
    costmap = cost_map(flat(60.0))
    for start, goal in random_poses(costmap, 20, 12.0, seed=1):
        result = find_arcs(costmap, start, goal, SearchOptions(change_cost=0.0))
        radius = 1.15 / ROVER.limits.curvature
        arcs = dubins_words(start, goal, radius)
        shortest = arcs[:, :, 1].sum(axis=1).min()
        path = result.path()
        assert path.length >= 0.98 * shortest  # the fastest curve may swing wider than the tightest radius
        assert path.length <= 1.25 * shortest
        least = dubins_words(start, goal, 1.0 / ROVER.limits.curvature)[:, :, 1].sum(axis=1).min()
        assert result.cost >= costmap.least_cost * least


def test_cost_is_close_to_the_grid_optimum_where_headings_suit():
    """The grid's Dijkstra, which is free to turn on the spot, is a yardstick that needs no hybrid state."""
    costmap = cost_map(rough(11, steepness=0.12))
    checked = 0
    for start, goal in random_poses(costmap, 25, 18.0, seed=2, spread=0.2):
        try:
            result = find_arcs(costmap, start, goal, SearchOptions(change_cost=0.0))
        except SearchFailure:
            continue
        field = cost_field(costmap, goal, 1)
        i, j = round(start[0] / costmap.resolution), round(start[1] / costmap.resolution)
        assert 0.9 * field[j, i] <= result.cost <= 1.25 * field[j, i]
        checked += 1
    assert checked > 15


def test_detours_around_power_hungry_ground():
    """A steep hill on the straight line: the found path costs less than driving over it, and goes round it."""
    x, y = np.meshgrid(np.arange(0.0, 40.1, 0.25), np.arange(0.0, 40.1, 0.25))
    hill = Terrain(2.2 * np.exp(-((x - 20.0) ** 2 + (y - 20.0) ** 2) / (2.0 * 5.0**2)), 0.0, 0.0, 0.25)
    costmap = cost_map(hill)
    found = find_path(costmap, (6.0, 20.0, 0.0), (34.0, 20.0, 0.0))
    aside = np.abs(found.path.y[np.abs(found.path.x - 20.0) < 2.0] - 20.0)
    assert aside.min() > 3.0
    along = np.linspace(6.0, 34.0, 500)
    hx, hy = costmap.surface.gradient(along, 20.0)
    over = np.mean(costmap.model.rate(costmap.power_at(along, 20.0, 0.0), hx, np.hypot(hx, hy), 0.0)) * 28.0
    assert found.cost < 0.97 * over


@pytest.mark.parametrize("seed", range(4))
def test_arcs_keep_the_limits(seed):
    terrain = rough(20 + seed, steepness=0.13)
    costmap = cost_map(terrain)
    for start, goal in random_poses(costmap, 15, 15.0, seed):
        try:
            path = find_arcs(costmap, start, goal).path(0.05)
        except SearchFailure:
            continue
        margins = check_path(path, costmap.surface, ROVER, keep_outs=terrain.keep_outs, start=start, goal=goal)
        assert margins.along_slope > -2e-3, margins  # sampled at 0.3 m with a margin; the smoothing mends the rest
        assert margins.tilt > -2e-3
        assert margins.keep_out > -0.02
        assert margins.curvature > 0.0
        assert margins.start_error < 1e-9
        assert margins.goal_error < 1e-5


# ---- failures are typed ----


def pit() -> Terrain:
    """Level ground with an extremely steep cone in the middle."""
    x, y = np.meshgrid(np.arange(0.0, 30.1, 0.25), np.arange(0.0, 30.1, 0.25))
    return Terrain(-0.8 * np.clip(5.0 - np.hypot(x - 15.0, y - 15.0), 0.0, None), 0.0, 0.0, 0.25)


def holed() -> Terrain:
    height = np.zeros((61, 61))
    height[28:32, 28:32] = np.nan
    return Terrain(height, 0.0, 0.0, 0.5)


@pytest.mark.parametrize(
    ("terrain", "pose", "limit"),
    [
        (pit(), (13.0, 15.0, math.pi / 2.0), "tilt"),
        (walled(), (15.0, 10.0, 0.0), "keep_out"),
        (walled(), (14.2, 10.0, 0.0), "keep_out"),  # outside the wall, but the rover is wide
        (flat(), (0.2, 15.0, 0.0), "map_edge"),
        (flat(), (-3.0, 15.0, 0.0), "map_edge"),
        (holed(), (14.5, 14.5, 0.0), "no_data"),
        (ramp(math.radians(17.0)), (15.0, 15.0, 0.0), "along_slope"),
    ],
)
def test_blocked_poses_are_named(terrain, pose, limit):
    costmap, free = cost_map(terrain), (6.0, 15.0, math.pi / 2.0)
    with pytest.raises(SearchFailure) as start:
        find_arcs(costmap, pose, free)
    assert (start.value.reason, start.value.limit) == ("start_blocked", limit)
    with pytest.raises(SearchFailure) as goal:
        find_arcs(costmap, free, pose)
    assert (goal.value.reason, goal.value.limit) == ("goal_blocked", limit)
    assert "\n" not in str(goal.value)


def test_no_power_is_named():
    weak = replace(ROVER, rtg=replace(ROVER.rtg, units=0))
    with pytest.raises(SearchFailure) as failure:
        find_arcs(cost_map(flat(), weak), (5.0, 5.0, 0.0), (20.0, 20.0, 0.0))
    assert (failure.value.reason, failure.value.limit) == ("start_blocked", "power")


@pytest.mark.parametrize("fallback", [False, True])
def test_a_wall_without_a_gap_has_no_path_and_one_with_a_gap_has(fallback, monkeypatch):
    if fallback:
        without_compiler(monkeypatch)
    start, goal = (6.0, 12.0, 0.0), (24.0, 18.0, 0.0)
    with pytest.raises(SearchFailure) as failure:
        find_path(cost_map(walled()), start, goal)
    assert failure.value.reason == "no_path"
    terrain = walled(gap=1.6)
    found = find_path(cost_map(terrain), start, goal)
    assert found.search.compiled == (not fallback and library() is not None)
    assert check_path(found.path, cost_map(terrain).surface, ROVER, keep_outs=terrain.keep_outs, start=start, goal=goal).feasible


def test_a_gap_too_narrow_for_the_rover_is_no_gap():
    with pytest.raises(SearchFailure) as failure:
        find_path(cost_map(walled(gap=0.9)), (6.0, 12.0, 0.0), (24.0, 18.0, 0.0))
    assert (failure.value.reason, failure.value.limit) == ("no_path", "keep_out")


def test_a_goal_that_cannot_be_entered_is_proven_quickly():
    """The goal faces away from a wall just behind it: no forward path can arrive there."""
    walls = (shapely.box(10.0, 8.0, 13.9, 22.0), shapely.box(13.0, 8.0, 22.0, 13.9), shapely.box(13.0, 16.1, 22.0, 22.0))
    terrain = Terrain(flat().height, 0.0, 0.0, 0.5, "nook", walls)
    with pytest.raises(SearchFailure) as failure:
        find_arcs(cost_map(terrain), (27.0, 15.0, math.pi), (15.0, 15.0, 0.0))
    assert failure.value.reason == "no_path"


@compiled
def test_a_small_budget_is_said():
    costmap = cost_map(rough(31, steepness=0.14, rocks=60))
    failures = []
    for start, goal in random_poses(costmap, 20, 20.0, seed=3):
        try:
            find_arcs(costmap, start, goal, SearchOptions(budget=3))
        except SearchFailure as failure:
            failures.append(failure)
    exhausted = [f for f in failures if f.reason == "budget_exhausted"]
    assert exhausted
    assert all(f.limit in f.rejected and "raise the budget" in str(f) for f in exhausted if f.rejected)


@pytest.mark.parametrize("goal", [(1.0, math.nan, 0.0), (1.0, 2.0), (math.inf, 0.0, 0.0)])
def test_bad_poses_are_refused(goal):
    with pytest.raises(InputError, match="goal"):
        find_arcs(cost_map(flat()), (5.0, 5.0, 0.0), goal)


def test_start_equal_to_goal_is_refused():
    with pytest.raises(InputError, match="start pose itself"):
        find_arcs(cost_map(flat()), (5.0, 5.0, 0.0), (5.0, 5.0, 2.0 * math.pi))


def test_limits_open_only_as_far_as_the_poses_need():
    costmap = cost_map(ramp(math.radians(14.9)))
    limits = costmap.limits
    level = allowance(costmap, (10.0, 15.0, math.pi / 2.0), (20.0, 15.0, math.pi / 2.0))
    uphill = allowance(costmap, (10.0, 15.0, 0.0), (20.0, 15.0, 0.0))
    assert level.tan_slope < math.tan(math.radians(14.9)) < uphill.tan_slope <= math.tan(limits.along_slope)
    find_arcs(costmap, (10.0, 15.0, 0.0), (20.0, 15.0, 0.0), FINE, allowed=uphill)


# ---- the fallback ----


@compiled
@pytest.mark.parametrize("seed", [0, 1])
def test_fallback_finds_what_the_compiled_search_finds(seed, monkeypatch):
    costmap = cost_map(rough(40 + seed, size=20.0, steepness=0.13, rocks=15), mission=LEAN)
    problems = random_poses(costmap, 7, 7.0, seed)

    def outcomes() -> list[tuple[str, float]]:
        results = []
        for start, goal in problems:
            try:
                results.append(("found", find_arcs(costmap, start, goal, SearchOptions(budget=400)).cost))
            except SearchFailure as failure:
                results.append((failure.reason, 0.0))
        return results

    fast = outcomes()
    without_compiler(monkeypatch)
    slow = outcomes()
    assert [reason for reason, _ in fast] == [reason for reason, _ in slow]
    assert sum(reason == "found" for reason, _ in fast) >= 4
    assert [cost for _, cost in fast] == pytest.approx([cost for _, cost in slow], rel=1e-6)
