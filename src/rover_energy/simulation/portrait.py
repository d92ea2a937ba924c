"""A picture of a drive: the rover as it stood in the middle of it, on its ground in the light of its Sun, with its path."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.power.pv import PvParameters
from rover_energy.rover import RoverParameters
from rover_energy.simulation.fittings import fit
from rover_energy.simulation.geometry import FloatArray, RoverGeometry
from rover_energy.simulation.mujoco_rover import MujocoSimulator
from rover_energy.simulation.png import encode_png
from rover_energy.simulation.rendering import draw
from rover_energy.simulation.scenery import CAST, PIXELS, REACH, Land, Scenery, scenery
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface

SUPERSAMPLING = 2  # pictures are drawn this much larger and averaged
_SEGMENT = 0.25  # [m] of the drawn path
EXPOSURE = 1.2  # of what faces the Sun
_ORANGE = (0.40, 0.16, 0.02, 1.0)
_GLOW = 2.0  # of the path, over its colour
_DISTANCES = (4.2, 3.6)  # wheel bases from the camera to the rover
_STEER = [f"steer_{corner}" for corner in ("fl", "fr", "rl", "rr")]


@dataclass(frozen=True, eq=False)
class Drive:
    """What was recorded of a drive.

    Attributes
    ----------
    time : (n,) array
        [s].
    pose : (n, 3) array
        x, y, heading, map frame [m, m, rad].
    steering : (n, 4) array
        Angles of the corners, order of `geometry.CORNERS` [rad].
    path : (m, 2) array
        Of the plan, map frame [m].
    """

    time: FloatArray
    pose: FloatArray
    steering: FloatArray
    path: FloatArray


def portrait(
    drive: Drive,
    terrain: Terrain,
    surface: Surface,
    environment: Environment,
    rover: RoverParameters,
    *,
    body: str = "moon",
    width: int = 1600,
    height: int = 900,
) -> NDArray[np.uint8]:
    """Picture of a drive, made after it from what was recorded.

    The moment is the brightest between 30 % and 70 % of the drive. The rover is put where it stood then and settles on its
    wheels in MuJoCo, which gives the angles of rockers and bogies; the corners are steered as they were.

    Returns
    -------
    (height, width, 3) array of uint8
        First row is the top.

    Raises
    ------
    MissingExtraError
        Without mujoco, or without the libraries of a screenless OpenGL, see `rendering.render`.
    InputError
        An empty record, or one that leaves the map.
    """
    if len(drive.time) < 2:
        raise InputError("picture", "drive", "has no poses", "record odom during the drive", len(drive.time))
    simulator = MujocoSimulator(terrain, surface, environment, rover)
    k = best_moment(drive, environment)
    x, y, heading = (float(value) for value in drive.pose[k])
    simulator.reset((x, y, heading))
    sun = environment.sun_direction(float(drive.time[k]))
    lit = bool(environment.direct_irradiance(float(drive.time[k])) > 0.0 and sun[2] > 0.0)
    toward = sun / np.linalg.norm(sun) if lit else np.array([0.5, 0.3, 0.8])
    state = simulator.state
    ground = scenery(terrain, body, toward, (x, y), _tracks(drive, k, simulator.geometry), simulator.geometry.wheel_width)
    model, data = _scene(simulator, ground, rover.pv, toward, body)
    _pose(simulator, model, data, ground, drive.steering[k])
    camera = _camera(simulator.geometry, Land(terrain), state.x, state.y, heading, toward, ground.origin)
    ribbon = _ribbon(drive.path, Land(terrain), ground.origin)
    size = SUPERSAMPLING * width, SUPERSAMPLING * height
    picture = draw(model, data, camera, *size, decorate=lambda scene: _draw_ribbon(scene, ribbon)).astype(float)
    small = picture.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING, 3).mean(axis=(1, 3))
    return np.round(small).astype(np.uint8)


def portrait_png(drive: Drive, *where: Any, **options: Any) -> bytes:
    """PNG file of `portrait` with the same arguments and errors."""
    return encode_png(portrait(drive, *where, **options))


def best_moment(drive: Drive, environment: Environment) -> int:
    """Index of the brightest pose between 30 % and 70 % of the time; of several, the one nearest to half way."""
    t = drive.time
    share = (t - t[0]) / max(float(t[-1] - t[0]), 1e-9)
    lit = np.nan_to_num(environment.sunlit_fraction(drive.pose[:, 0], drive.pose[:, 1], t))
    score = np.round(lit, 1) - 0.2 * np.abs(share - 0.5)
    return int(np.argmax(np.where((share >= 0.3) & (share <= 0.7), score, -np.inf)))


def _tracks(drive: Drive, last: int, geometry: RoverGeometry) -> FloatArray:
    """Places (n, 6, 2) of the wheels on the way to a pose, a few centimetres apart [m]."""
    pose = drive.pose[: last + 1]
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(pose[:, :2], axis=0), axis=-1))])
    even = np.arange(max(0.0, arc[-1] - 15.0), arc[-1], 0.012)
    x, y, heading = (np.interp(even, arc, np.unwrap(pose[:, i]) if i == 2 else pose[:, i]) for i in range(3))
    c, s = np.cos(heading)[:, None], np.sin(heading)[:, None]
    wx, wy = geometry.positions[:, 0], geometry.positions[:, 1]
    return np.stack([x[:, None] + c * wx - s * wy, y[:, None] + s * wx + c * wy], axis=-1)


def _scene(simulator: MujocoSimulator, ground: Scenery, pv: PvParameters, sun: FloatArray, body: str) -> tuple[Any, Any]:
    """The simulator's model with the picture's ground, light and fittings in place of its own."""
    import mujoco

    root = ElementTree.fromstring(simulator.mjcf)
    _surroundings(root, body, sun)
    fit(root, simulator.geometry, pv)
    model = mujoco.MjModel.from_xml_string(ElementTree.tostring(root, encoding="unicode"), {"ground.msh": ground.mesh})
    texture = model.texture("ground")
    first = int(texture.adr[0])
    model.tex_data[first : first + ground.texture.size] = ground.texture.ravel()
    return model, mujoco.MjData(model)


def _surroundings(root: Element, body: str, sun: FloatArray) -> None:
    """Ground mesh, sky and two lights: the Sun, and what the ground throws back."""
    asset, world, visual = (root.find(name) for name in ("asset", "worldbody", "visual"))
    assert asset is not None
    assert world is not None
    assert visual is not None
    for old in (asset.find("hfield"), world.find("geom"), world.find("light")):
        assert old is not None
        (asset if old.tag == "hfield" else world).remove(old)
    high, low = ("0 0 0", "0 0 0") if body == "moon" else ("0.42 0.33 0.28", "0.80 0.64 0.50")
    sky = SubElement(asset, "texture", name="sky", type="skybox", builtin="gradient", rgb1=high, rgb2=low, width="1024",
                     height="6144")  # fmt: skip
    if body == "moon":
        sky.attrib.update(mark="random", markrgb="0.75 0.77 0.8", random="0.0012")
    SubElement(asset, "texture", name="ground", type="2d", builtin="flat", rgb1="1 1 1", width=str(PIXELS), height=str(PIXELS))
    SubElement(asset, "material", name="ground", texture="ground", specular="0", shininess="0")
    SubElement(asset, "mesh", name="ground", file="ground.msh", inertia="shell")
    SubElement(world, "geom", name="ground", type="mesh", mesh="ground", material="ground", contype="0", conaffinity="0")
    warm = " ".join(f"{EXPOSURE * c:.4g}" for c in (1.0, 0.985, 0.95))
    SubElement(world, "light", name="sun", directional="true", castshadow="true", diffuse=warm, specular="0.5 0.5 0.5",
               dir=" ".join(f"{-v:.9g}" for v in sun), pos=" ".join(f"{6.0 * v:.9g}" for v in sun))  # fmt: skip
    SubElement(world, "light", name="bounce", directional="true", castshadow="false", diffuse="0.15 0.145 0.14",
               specular="0 0 0", dir=f"{sun[0]:.4g} {sun[1]:.4g} 0.25", pos="0 0 0")  # fmt: skip
    extent = 2.0  # [m] the lengths of `map` are multiples of it
    SubElement(root, "statistic", extent=str(extent), center="0 0 0")
    lengths = visual.find("map")
    assert lengths is not None
    for name, value in (("znear", 0.05), ("zfar", 2.0 * REACH), ("shadowclip", CAST / extent), ("shadowscale", 0.9)):
        lengths.set(name, f"{value:.6g}")
    ambient = visual.find("headlight")
    assert ambient is not None
    ambient.set("ambient", "0.24 0.24 0.25" if body == "moon" else "0.36 0.31 0.28")


def _pose(simulator: MujocoSimulator, model: Any, data: Any, ground: Scenery, steering: FloatArray) -> None:
    """The simulator's joints, with the corners as recorded, seen from the picture's origin."""
    import mujoco

    state = simulator.state
    data.qpos[:] = simulator.data.qpos
    data.qpos[0:3] = np.array([state.x, state.y, state.height]) - ground.origin
    for name, angle in zip(_STEER, steering, strict=True):
        data.qpos[model.joint(name).qposadr[0]] = angle if np.isfinite(angle) else 0.0
    mujoco.mj_forward(model, data)


def _camera(
    g: RoverGeometry, land: Land, x: float, y: float, heading: float, sun: FloatArray, origin: FloatArray
) -> Any:
    """From aside and before the rover, with the Sun from the side, where no ground is in between."""
    import mujoco

    best, chosen = -math.inf, (heading, 0.3, _DISTANCES[0] * g.wheel_base)
    toward_sun = math.atan2(sun[1], sun[0])
    target = np.array([x, y, origin[2] + 1.1 * g.centre_of_mass])
    for aside in np.radians([-150, -125, -50, -35, 35, 50, 125, 150]):
        for elevation in np.radians([13.0, 18.0, 24.0]):
            for distance in (factor * g.wheel_base for factor in _DISTANCES):
                azimuth = heading + aside
                flat = distance * math.cos(elevation)
                share = np.linspace(0.15, 1.0, 30)
                px, py = x + share * flat * math.cos(azimuth), y + share * flat * math.sin(azimuth)
                clear = float(np.min(target[2] + share * distance * math.sin(elevation) - land.height(px, py)))
                phase = abs(math.remainder(azimuth - toward_sun, 2.0 * math.pi))
                light = -abs(phase - math.radians(75.0))
                front = 0.35 * math.cos(aside)
                score = light + front + 2.0 * min(0.0, clear - 0.5) - 1.5 * abs(elevation - math.radians(16.0))
                if score > best:
                    best, chosen = score, (azimuth, elevation, distance)
    camera = mujoco.MjvCamera()
    camera.lookat[:] = target - origin
    camera.distance, camera.azimuth = chosen[2], math.degrees(chosen[0]) + 180.0
    camera.elevation = -math.degrees(chosen[1])
    return camera


def _ribbon(path: FloatArray, land: Land, origin: FloatArray) -> FloatArray:
    """Points (n, 3) of the plan just above the ground, relative to the picture's origin [m]."""
    arc = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=-1))])
    even = np.linspace(0.0, arc[-1], max(2, math.ceil(arc[-1] / _SEGMENT)))
    x, y = (np.interp(even, arc, path[:, i]) for i in (0, 1))
    return np.stack([x, y, land.height(x, y) + 0.02], axis=-1) - origin


def _draw_ribbon(scene: Any, points: FloatArray) -> None:
    """Add the path to a scene as glowing rods."""
    import mujoco

    for start, end in pairwise(points):
        if scene.ngeom >= scene.maxgeom:
            return
        geom = scene.geoms[scene.ngeom]
        mujoco.mjv_initGeom(geom, mujoco.mjtGeom.mjGEOM_CAPSULE, np.zeros(3), np.zeros(3), np.zeros(9),
                            np.array(_ORANGE, dtype=np.float32))  # fmt: skip
        mujoco.mjv_connector(geom, mujoco.mjtGeom.mjGEOM_CAPSULE, 0.018, start, end)
        geom.emission, geom.specular = _GLOW, 0.0
        scene.ngeom += 1
