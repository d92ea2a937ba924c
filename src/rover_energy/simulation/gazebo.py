"""Gazebo files from the terrain, the Sun and the rover: world, 16-bit height map, model, and the ros_gz bridge between topics."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

import numpy as np
import yaml
from numpy.typing import NDArray
from scipy import ndimage

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.rover import RoverParameters
from rover_energy.simulation.body import BodyState, standing_rotation
from rover_energy.simulation.geometry import CORNERS, WHEELS, GeometryParameters, RoverGeometry, rover_geometry
from rover_energy.simulation.ground import Window, bilinear
from rover_energy.simulation.png import encode_png
from rover_energy.simulation.sdf import SDF_VERSION, STEP, child, number_text, plugin, rover_sdf, to_text
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface, fill_no_data

WORLD_NAME = "rover_world"
CLEARANCE = 0.02  # [m] from which the rover is dropped
MAXIMUM_PIXELS = 1025
EVERY_STEP = "gazebo/joint_states", "gazebo/wrench/"  # topics of the bridge with a message at each step of the engine
QUEUE = 512  # messages that wait for a node that is held up, or the meter misses steps
FULL = 65535  # grey value of the highest point

WORLD_SYSTEMS = (
    ("physics", "Physics"), ("user-commands", "UserCommands"), ("scene-broadcaster", "SceneBroadcaster"), ("imu", "Imu"),
    ("forcetorque", "ForceTorque"),
)  # fmt: skip


class Heightmap(NamedTuple):
    """Square image of a terrain.

    Attributes
    ----------
    pixels : (n, n) array of uint16
        First row is the north edge; n is a power of two plus one; the lowest point is 0 and the highest 65535.
    centre : (x, y)
        Map frame [m].
    spacing : float
        Distance between pixels [m].
    low, relief : float
        Height of grey 0, and from there to full grey [m].
    """

    pixels: NDArray[np.uint16]
    centre: tuple[float, float]
    spacing: float
    low: float
    relief: float


def heightmap(terrain: Terrain, *, largest: int = MAXIMUM_PIXELS) -> Heightmap:
    """Height map that covers a terrain, for Gazebo.

    Gazebo's images are square with 2^n + 1 pixels a side. The image takes the first such size that is no coarser than the
    terrain, up to `largest`; heights between nodes are bilinear, and where the square is wider than the terrain its border is
    continued. Heights without data are those of the nearest node with data.

    Raises InputError when `largest` is not a power of two plus one, of at least 17 pixels.
    """
    if not (largest >= 17 and math.log2(largest - 1).is_integer()):
        raise InputError("heightmap", "largest", "is not a power of two plus one", "use 129, 257, 513, 1025, ...", largest)
    xmin, ymin, xmax, ymax = terrain.extent
    side = max(xmax - xmin, ymax - ymin)
    size = 17
    while size < largest and side / (size - 1) > terrain.cell * (1.0 + 1e-9):
        size = 2 * (size - 1) + 1
    spacing = side / (size - 1)
    cx, cy = (xmin + xmax) / 2.0, (ymin + ymax) / 2.0
    offsets = (np.arange(size) - (size - 1) / 2.0) * spacing
    columns = (cx + offsets - terrain.x0) / terrain.cell
    rows = (cy - offsets - terrain.y0) / terrain.cell
    heights = ndimage.map_coordinates(
        fill_no_data(terrain.height), np.meshgrid(rows, columns, indexing="ij"), order=1, mode="nearest"
    )
    low, relief = float(heights.min()), float(np.ptp(heights))
    scaled = (heights - low) / relief if relief > 0.0 else np.zeros_like(heights)
    return Heightmap(np.round(scaled * FULL).astype(np.uint16), (cx, cy), spacing, low, relief)


def world_sdf(
    image: Heightmap, environment: Environment, *, name: str = WORLD_NAME, image_uri: str = "heightmap.png", pace: float = 1.0
) -> str:
    """SDF of the world: ground, gravity, and the Sun as it stands at the start.

    Parameters
    ----------
    image : Heightmap
    environment : Environment
    name : str
    image_uri : str
        Where the image is, from the world file.
    pace : float
        Simulated over real time that Gazebo keeps to.

    Notes
    -----
    The image's place is in the pose of the link: Gazebo's physics reads no `<pos>` of a height map. Physics spaces n pixels
    over size/n, while pictures space them over size/(n - 1), so the two sizes differ by one pixel.
    """
    root = Element("sdf", version=SDF_VERSION)
    world = child(root, "world", name=name)
    physics = child(world, "physics", name="engine", type="dart")
    child(physics, "max_step_size", STEP)
    child(physics, "real_time_factor", pace)
    child(child(physics, "dart"), "collision_detector", "bullet")
    for system, title in WORLD_SYSTEMS:
        plugin(world, system, title)
    child(world, "gravity", number_text(0.0, 0.0, -environment.gravity))
    scene = child(world, "scene")
    child(scene, "ambient", "0.08 0.08 0.09 1")
    child(scene, "background", "0 0 0 1")
    child(scene, "shadows", "true")
    _sun(world, environment)
    _ground(world, image, image_uri)
    return to_text(root)


def _sun(world: Element, environment: Environment) -> None:
    direction = environment.sun[0]
    if not (direction[2] > -0.01 and environment.direct[0] > 0.0):
        return
    light = child(world, "light", name="sun", type="directional")
    child(light, "pose", number_text(*(100.0 * direction), 0.0, 0.0, 0.0))
    child(light, "direction", number_text(*(-direction)))
    child(light, "diffuse", "1 1 0.97 1")
    child(light, "specular", "0.1 0.1 0.1 1")
    child(light, "cast_shadows", "true")


def _ground(world: Element, image: Heightmap, uri: str) -> None:
    model = child(world, "model", name="ground")
    child(model, "static", "true")
    link = child(model, "link", name="ground_link")
    child(link, "pose", number_text(*image.centre, image.low, 0.0, 0.0, 0.0))
    pixels = len(image.pixels)
    for kind, count in (("collision", pixels), ("visual", pixels - 1)):
        part = child(link, kind, name=f"ground_{kind}")
        grid = child(child(part, "geometry"), "heightmap")
        child(grid, "uri", uri)
        side = count * image.spacing
        child(grid, "size", number_text(side, side, max(image.relief, 1e-3)))
        child(grid, "pos", "0 0 0")


def bridge_entries(name: str = "rover") -> list[dict[str, Any]]:
    """Topics that ros_gz_bridge carries between Gazebo and ROS, one mapping each.

    ROS names are relative, so that a namespace can be put before them. They begin with `gazebo/`, apart from the topics of the
    same kind by which the rest of the graph knows the rover: `nodes.gazebo_base` translates. It also gives the time, once in each
    window: Gazebo's own clock ticks at every step of the engine, which would wake every node five times as often.
    """
    to_ros, to_gazebo = "GZ_TO_ROS", "ROS_TO_GZ"
    rows = [
        ("gazebo/joint_states", f"/model/{name}/joint_states", "sensor_msgs/msg/JointState", "gz.msgs.Model", to_ros),
        ("gazebo/odom", f"/model/{name}/odometry", "nav_msgs/msg/Odometry", "gz.msgs.Odometry", to_ros),
        ("gazebo/imu", f"/model/{name}/imu", "sensor_msgs/msg/Imu", "gz.msgs.IMU", to_ros),
    ]
    number = "std_msgs/msg/Float64", "gz.msgs.Double"
    wrench = "geometry_msgs/msg/WrenchStamped", "gz.msgs.Wrench"
    for wheel in WHEELS:
        rows.append((f"gazebo/drive/{wheel}", f"/model/{name}/drive/{wheel}", *number, to_gazebo))
        rows.append((f"gazebo/wrench/{wheel}", f"/model/{name}/wrench/{wheel}", *wrench, to_ros))
    for corner in CORNERS:
        rows.append((f"gazebo/steer/{corner}", f"/model/{name}/steer/{corner}", *number, to_gazebo))
    keys = ("ros_topic_name", "gz_topic_name", "ros_type_name", "gz_type_name", "direction")
    entries: list[dict[str, Any]] = [dict(zip(keys, row, strict=True)) for row in rows]
    for entry in entries:
        if entry["ros_topic_name"].startswith(EVERY_STEP):
            entry["publisher_queue"] = QUEUE
    return entries


class Spawn(NamedTuple):
    """Where the model is put: position [m] and REP 103 angles [rad], map frame."""

    x: float
    y: float
    z: float
    roll: float
    pitch: float
    heading: float


def spawn_pose(image: Heightmap, surface: Surface, geometry: RoverGeometry, pose: tuple[float, float, float]) -> Spawn:
    """Pose in which the rover stands at (x, y, heading): along the surface, no wheel in the ground, `CLEARANCE` above it.

    Raises InputError for a place that the height map does not cover.
    """
    x, y, heading = pose
    hx, hy = (float(value) for value in surface.gradient(x, y))
    rotation = standing_rotation(hx, hy, heading)
    grid = image.low + image.pixels[::-1].astype(float) / FULL * image.relief
    half = (len(grid) - 1) * image.spacing / 2.0
    window = Window(grid, image.centre[0] - half, image.centre[1] - half, image.spacing)
    lift = -math.inf
    for wx, wy in geometry.positions:
        corner = rotation @ np.array([wx, wy, 0.0])
        lift = max(lift, bilinear(window, x + corner[0], y + corner[1]) - corner[2])
    if not math.isfinite(lift):
        raise InputError("gazebo", "pose", "has wheels off the map", "start farther from its edge", (x, y))
    body = BodyState(x, y, lift, rotation, 0.0, 0.0)
    return Spawn(x, y, lift + CLEARANCE, body.roll, -body.along_slope, body.heading)


def write_gazebo(
    folder: str | Path,
    terrain: Terrain,
    environment: Environment,
    rover: RoverParameters,
    geometry: GeometryParameters | None = None,
    *,
    name: str = "rover",
    largest: int = MAXIMUM_PIXELS,
    pace: float = 1.0,
) -> dict[str, Path]:
    """Write everything that Gazebo needs: `worlds/` with world and height map, `models/<name>/`, and `bridge.yaml`.

    Returns
    -------
    dict
        Paths under "world", "heightmap", "model", "config" and "bridge".

    Raises
    ------
    InputError
        A name that is not plain, a pace out of range, or a folder that cannot be written.
    """
    if not 0.01 <= pace <= 100.0:
        raise InputError("gazebo", "pace", "is not within 0.01 .. 100", "1 is real time", pace)
    if not (name.isascii() and name.replace("_", "").isalnum()):
        raise InputError("gazebo", "name", "is not plain", "use letters, digits and underscores", name)
    shape = rover_geometry(rover, geometry, gravity=environment.gravity)
    image = heightmap(terrain, largest=largest)
    bridge = "# Topics between Gazebo and ROS: parameter_bridge --ros-args -p config_file:=<this file>\n"
    contents: dict[str, tuple[str, bytes]] = {
        "world": ("worlds/rover_world.sdf", world_sdf(image, environment, pace=pace).encode()),
        "heightmap": ("worlds/heightmap.png", encode_png(image.pixels)),
        "model": (f"models/{name}/model.sdf", rover_sdf(shape, gravity=environment.gravity, name=name).encode()),
        "config": (f"models/{name}/model.config", _model_config(name).encode()),
        "bridge": ("bridge.yaml", (bridge + yaml.safe_dump(bridge_entries(name), sort_keys=False)).encode()),
    }
    paths = {}
    for key, (relative, data) in contents.items():
        paths[key] = Path(folder) / relative
        try:
            paths[key].parent.mkdir(parents=True, exist_ok=True)
            paths[key].write_bytes(data)
        except OSError as error:
            raise InputError(str(paths[key]), "file", error.strerror or "cannot be written", "choose another folder") from None
    return paths


def _model_config(name: str) -> str:
    root = Element("model")
    child(root, "name", name)
    child(root, "version", "1.0")
    child(root, "sdf", "model.sdf", version=SDF_VERSION)
    child(root, "description", "Six driven wheels on rockers and bogies, four steered corners")
    return to_text(root)
