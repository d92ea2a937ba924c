"""The adapters around other people's planners: what they compute themselves."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path as FilePath

import numpy as np
import pytest
import shapely
from retiming_cases import inclined, rough, rover_with

from rover_energy.errors import InputError
from rover_energy.planning.path import path_from_arcs


@pytest.fixture(scope="module")
def ompl_peer():  # type: ignore[no-untyped-def]
    sys.path.insert(0, str(FilePath(__file__).parents[2] / "benchmarks"))
    return importlib.import_module("peers.ompl_peer")


def test_poses_on_arcs_become_that_path(ompl_peer) -> None:  # type: ignore[no-untyped-def]
    arcs = path_from_arcs((3.0, 4.0, 3.0), [(0.6, 4.0), (0.0, 3.0), (-0.6, 5.0)], step=0.05)
    wrapped = np.angle(np.exp(1j * arcs.heading))
    path = ompl_peer.path_from_poses(np.column_stack([arcs.x, arcs.y, wrapped]), 3.0)
    np.testing.assert_allclose(path.s, arcs.s, atol=1e-9)
    np.testing.assert_allclose(path.heading, arcs.heading, atol=1e-12)
    np.testing.assert_allclose(path.curvature, arcs.curvature, atol=1e-6)


def test_repeated_poses_are_dropped(ompl_peer) -> None:  # type: ignore[no-untyped-def]
    poses = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    assert ompl_peer.path_from_poses(poses, 0.0).s.tolist() == [0.0, 1.0, 2.0]


def test_validity_agrees_with_the_limits_on_the_surface(ompl_peer) -> None:  # type: ignore[no-untyped-def]
    surface, rover, rock = rough(1, scale=4.0), rover_with(), shapely.Point(20.0, 20.0).buffer(2.0)
    valid = ompl_peer.validity(surface, rover, [rock])
    x, y, heading = np.random.default_rng(0).uniform([1.0, 1.0, -3.1], [40.0, 40.0, 3.1], (4000, 3)).T
    said = np.array([valid(*pose) for pose in zip(x, y, heading, strict=True)])
    clear = shapely.distance(rock, shapely.points(x, y)) - 0.5 * rover.width
    slope, tilt = np.abs(surface.along_slope(x, y, heading)) - rover.limits.along_slope, surface.tilt(x, y) - rover.limits.tilt
    surely, surely_not = (clear > 0.1) & (slope < -0.02) & (tilt < -0.02), (clear < -0.1) | (slope > 0.02) | (tilt > 0.02)
    assert surely.sum() > 1000
    assert surely_not.sum() > 200
    assert np.all(said[surely])
    assert not np.any(said[surely_not])
    assert not valid(-1.0, 5.0, 0.0)


def test_an_unknown_planner_is_refused(ompl_peer) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="RRTConnect"):
        ompl_peer.plan_with_ompl(inclined(0.1), rover_with(), (5, 5, 0), (9, 9, 0), planner="PRM")
