"""Worlds and trajectories for the tests of trajectories, evaluation and certificates."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage
from scipy.interpolate import BSpline, PPoly

from rover_energy.environment.scene import Environment
from rover_energy.mission import MissionParameters
from rover_energy.planning.trajectory import Trajectory
from rover_energy.rover import RoverParameters
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

MOON = 1.62


def plane(east=0.0, north=0.0, size=40.0, cell=0.5, footprint=0.0):
    """Surface of an inclined plane; exact to rounding a few metres from the border."""
    axis = np.arange(0.0, size + cell / 2, cell)
    height = east * axis[None, :] + north * axis[:, None]
    return Surface.from_terrain(Terrain(height, 0.0, 0.0, cell), footprint)


def rough(seed=0, nodes=101, cell=0.2, slope=0.1, blur=0.0, footprint=0.0):
    """Surface of noise: with `blur` 0 and `footprint` 0 its third derivatives jump as wildly as they can."""
    height = np.random.default_rng(seed).normal(size=(nodes, nodes))
    if blur:
        height = ndimage.gaussian_filter(height, blur, mode="mirror")
    east, north = np.gradient(height, cell)
    height *= slope / np.sqrt(np.mean(east**2 + north**2))
    return Surface.from_terrain(Terrain(height, 0.0, 0.0, cell), footprint)


def wander(seed=0, pieces=12, piece=1.5, speed=0.3, bend=0.1, start=(6.0, 6.0, 0.7)):
    """Unicycle motion from rest to rest: cubic heading (C2, constant in the first and last piece), quadratic speed (C1)."""
    rng = np.random.default_rng(seed)
    turns = np.concatenate([np.zeros(4), rng.normal(size=pieces - 5) * bend, np.zeros(4)])
    heading = start[2] + np.cumsum(turns)
    pace = np.concatenate([[0.0, 0.0], speed * rng.uniform(0.6, 1.0, pieces - 2), [0.0, 0.0]])
    durations = np.full(pieces, piece)
    return Trajectory(
        "unicycle", np.array(start), durations,
        heading=_rows(heading, 3, piece, pieces), speed=_rows(pace, 2, piece, pieces),
    )  # fmt: skip


def _rows(coefficients, degree, piece, pieces):
    knots = piece * np.arange(-degree, pieces + degree + 1)
    polynomial = PPoly.from_spline(BSpline(knots, coefficients[: pieces + degree], degree))
    return polynomial.c[::-1, degree : degree + pieces].T


def straight(distance=4.0, seconds=20.0, start=(8.0, 8.0, 0.0), ramp=5.0):
    """Straight drive with constant acceleration, constant speed, constant braking; three pieces."""
    top = distance / (seconds - ramp)
    heading = np.full((3, 1), start[2])
    speed = np.array([[0.0, top / ramp], [top, 0.0], [top, -top / ramp]])
    return Trajectory("unicycle", np.array(start), np.array([ramp, seconds - 2 * ramp, ramp]), heading=heading, speed=speed)


def as_flat(trajectory, degree=9):
    """A `flat` trajectory near a unicycle one: position polynomials through Chebyshev points, joints exact by Hermite ends."""
    rows_x, rows_y = [], []
    for i, duration in enumerate(trajectory.durations):
        local = duration * 0.5 * (1.0 - np.cos(np.pi * np.arange(degree - 3) / (degree - 4)))
        state = trajectory.evaluate_local(np.full(local.size, i), local)
        ends = [0, -1]
        matrix = [local[:, None] ** np.arange(degree + 1)]
        powers = np.arange(degree + 1)
        slope = powers * local[ends][:, None] ** np.maximum(powers - 1, 0)
        bend = powers * (powers - 1) * local[ends][:, None] ** np.maximum(powers - 2, 0)
        c, s = np.cos(state.heading[ends]), np.sin(state.heading[ends])
        u, a, w = state.speed[ends], state.speed_rate[ends], state.heading_rate[ends]
        matrix = np.concatenate([*matrix, slope, bend])
        rows_x.append(np.linalg.solve(matrix, np.concatenate([state.x, u * c, a * c - u * w * s])))
        rows_y.append(np.linalg.solve(matrix, np.concatenate([state.y, u * s, a * s + u * w * c])))
    x, y = np.array(rows_x), np.array(rows_y)
    return Trajectory("flat", trajectory.start.copy(), trajectory.durations.copy(), x=x, y=y)


def rover(**groups):
    """Default rover with wide limits of motion and small slip; `locomotion={...}` and so on change single values."""
    base = RoverParameters()
    generous = {"speed": 2.0, "acceleration": 2.0, "yaw_rate": 2.0, "curvature": 20.0, "along_slope": 0.9, "tilt": 0.9}
    changes = {"limits": generous, **groups}
    return replace(base, **{name: replace(getattr(base, name), **values) for name, values in changes.items()})


def mission(**values):
    """Default mission."""
    return replace(MissionParameters(), **values)


def sunny(elevation=0.6, azimuth=1.0, irradiance=1361.0, diffuse=20.0):
    """A Sun that stands still, no shadows."""
    return Environment.constant(MOON, azimuth, elevation, irradiance, diffuse)


def changing(surface, seed=0, slices=5, seconds=5.0, low=False):
    """Sun, irradiance and shadow that change from slice to slice, faster than any real ones."""
    rng = np.random.default_rng(seed)
    ny, nx = surface.node_shape
    level = np.linspace(0.02, 0.12, slices) if low else np.linspace(0.3, 0.7, slices)
    turn = np.linspace(0.0, 0.8, slices)
    sun = np.stack([np.cos(level) * np.sin(turn), np.cos(level) * np.cos(turn), np.sin(level)], axis=-1)
    nodes = ndimage.gaussian_filter(rng.uniform(size=(slices, ny, nx)), (0, 2, 2))
    nodes = np.clip((nodes - 0.5) * 12.0 + 0.5, 0.0, 1.0)
    return Environment(
        seconds * np.arange(slices), MOON, sun, np.linspace(1000.0, 1361.0, slices), np.linspace(50.0, 10.0, slices),
        np.pad(nodes, [(0, 0), (1, 1), (1, 1)], mode="edge"), surface.x0, surface.y0, surface.cell,
    )  # fmt: skip
