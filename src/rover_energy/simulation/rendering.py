"""Pictures of the rover on its ground, drawn by MuJoCo without a screen."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.simulation.geometry import FloatArray
from rover_energy.simulation.mujoco_rover import MujocoSimulator
from rover_energy.simulation.png import encode_png

_BACKENDS = ("egl", "osmesa")
_LARGEST = (3840, 2160)


def render(
    simulator: MujocoSimulator,
    *,
    sun: FloatArray | None = None,
    width: int = 1280,
    height: int = 720,
    distance: float | None = None,
    azimuth: float = math.radians(-55.0),
    elevation: float = math.radians(14.0),
) -> NDArray[np.uint8]:
    """Picture of the rover where it stands, lit by the Sun alone.

    Parameters
    ----------
    simulator : MujocoSimulator
        After `reset`.
    sun : (3,) array, optional
        Map-frame vector to the Sun; 35 deg high from the camera's side otherwise. Below the horizon all is dark.
    width, height : int
        [pixels]
    distance : float, optional
        From the camera to the rover [m]; 3.6 wheel bases otherwise.
    azimuth, elevation : float
        Direction from the rover to the camera: counter-clockwise from the rover's own heading, and above the horizontal [rad].

    Returns
    -------
    (height, width, 3) array of uint8
        First row is the top.

    Raises
    ------
    MissingExtraError
        Without the libraries of a screenless OpenGL: EGL (Debian: libegl1 and libgl1) or OSMesa (libosmesa6). The
        environment variable MUJOCO_GL, egl or osmesa, chooses between them.
    InputError
        A size out of range, or no rover yet.
    """
    if not (16 <= width <= _LARGEST[0] and 16 <= height <= _LARGEST[1]):
        raise InputError("picture", "size", f"is not within 16 .. {_LARGEST}", "choose fewer or more pixels", (width, height))
    if simulator.window is None:
        raise InputError("picture", "simulator", "has no rover yet", "call reset first")
    import mujoco

    model, data = simulator.model, simulator.data
    mujoco.mj_forward(model, data)
    heading = simulator.state.heading
    aside = heading + azimuth - 1.0
    toward = np.array([math.cos(aside), math.sin(aside), 0.7]) if sun is None else np.asarray(sun, dtype=float)
    model.light_dir[0] = -toward / np.linalg.norm(toward)
    model.light_diffuse[0] = 1.0 if toward[2] > 0.0 else 0.0
    # The shadow map of a directional light is drawn around the light's place.
    model.light_pos[0] = data.qpos[0:3] - 6.0 * simulator.geometry.wheel_base * np.asarray(model.light_dir[0])
    # Its extent too: on the whole map its pixels would be as large as a wheel.
    model.vis.map.shadowclip = 3.0 * simulator.geometry.wheel_base / model.stat.extent
    mujoco.mj_forward(model, data)
    camera = mujoco.MjvCamera()
    camera.lookat[:] = data.qpos[0:3] + np.array([0.0, 0.0, simulator.geometry.centre_of_mass * 0.6])
    camera.distance = 3.6 * simulator.geometry.wheel_base if distance is None else distance
    # MuJoCo's angles are those of the line of sight.
    camera.azimuth = math.degrees(heading + azimuth) + 180.0
    camera.elevation = -math.degrees(elevation)
    return draw(model, data, camera, width, height)


def render_png(simulator: MujocoSimulator, **options: Any) -> bytes:
    """PNG file of `render` with the same options and errors."""
    return encode_png(render(simulator, **options))


def draw(
    model: Any, data: Any, camera: Any, width: int, height: int, *, decorate: Callable[[Any], None] | None = None
) -> NDArray[np.uint8]:
    """Picture (height, width, 3) of any model as a camera sees it; `decorate` may add shapes to the scene.

    Raises MissingExtraError without a screenless OpenGL.
    """
    import mujoco

    context = _screen(width, height)
    try:
        context.make_current()
        drawing = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        try:
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, drawing)
            scene, options = mujoco.MjvScene(model, maxgeom=5000), mujoco.MjvOption()
            mujoco.mjv_updateScene(model, data, options, None, camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
            if decorate is not None:
                decorate(scene)
            pixels, view = np.zeros((height, width, 3), np.uint8), mujoco.MjrRect(0, 0, width, height)
            mujoco.mjr_render(view, scene, drawing)
            mujoco.mjr_readPixels(pixels, None, view, drawing)
        finally:
            drawing.free()
    finally:
        context.free()
    return np.ascontiguousarray(pixels[::-1])  # OpenGL's first row is the bottom


def _screen(width: int, height: int) -> Any:
    """OpenGL without a screen. The drawing's own size is set by the model; the context only needs some."""
    asked = os.environ.get("MUJOCO_GL", "").lower()
    for backend in (asked,) if asked in _BACKENDS else _BACKENDS:
        try:
            return importlib.import_module(f"mujoco.{backend}").GLContext(width, height)
        except Exception:  # missing libraries show as ImportError, AttributeError, RuntimeError or OSError
            continue
    raise MissingExtraError("EGL or OSMesa (Debian: libegl1 libgl1)", "simulation", "drawing the rover without a screen")
