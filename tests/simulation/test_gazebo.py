"""Gazebo files: two parsers, and the rules that were learnt by running such files in Gazebo."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import yaml
from simulation_cases import GRAVITY, ROVER, SUN, rough, rover

from rover_energy.environment.scene import Environment
from rover_energy.errors import InputError
from rover_energy.rover import RoverParameters
from rover_energy.simulation.gazebo import FULL, bridge_entries, heightmap, write_gazebo
from rover_energy.simulation.geometry import CORNERS, WHEELS, rover_geometry
from rover_energy.simulation.sdf import STEP, differential_spring, drive_stiffness, rover_sdf
from rover_energy.terrain import Terrain

# Systems of gz-sim 8, 9 and 10 that these files may name, and the messages that ros_gz_bridge pairs.
SYSTEMS = {
    "gz-sim-physics-system": "Physics", "gz-sim-user-commands-system": "UserCommands",
    "gz-sim-scene-broadcaster-system": "SceneBroadcaster", "gz-sim-imu-system": "Imu",
    "gz-sim-forcetorque-system": "ForceTorque", "gz-sim-joint-controller-system": "JointController",
    "gz-sim-joint-position-controller-system": "JointPositionController",
    "gz-sim-odometry-publisher-system": "OdometryPublisher", "gz-sim-joint-state-publisher-system": "JointStatePublisher",
}  # fmt: skip
PAIRS = {
    "gz.msgs.Model": "sensor_msgs/msg/JointState",
    "gz.msgs.Odometry": "nav_msgs/msg/Odometry", "gz.msgs.IMU": "sensor_msgs/msg/Imu", "gz.msgs.Double": "std_msgs/msg/Float64",
    "gz.msgs.Wrench": "geometry_msgs/msg/WrenchStamped",
}  # fmt: skip
PUBLISHED = {"imu": "gz.msgs.IMU", "force_torque": "gz.msgs.Wrench"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_gazebo(tmp_path_factory.mktemp("gazebo"), rough(), SUN, ROVER)


def parse(path: Path) -> ElementTree.Element:
    return ElementTree.parse(path).getroot()


@pytest.mark.parametrize("kind", ["world", "model"])
def test_gazebo_checker_accepts(files: dict[str, Path], kind: str) -> None:
    if shutil.which("ign") is None:
        pytest.skip("needs `ign sdf` (Debian: ignition-tools, libsdformat-dev)")
    done = subprocess.run(["ign", "sdf", "-k", str(files[kind])], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid." in done.stdout
    assert not re.search(r"error|warning", done.stdout + done.stderr.replace("Library error", ""), re.IGNORECASE)


def drake_python() -> str:
    """A Python with Drake: this one, or the one that the variable ROVER_ENERGY_DRAKE_PYTHON names."""
    named = os.environ.get("ROVER_ENERGY_DRAKE_PYTHON")
    if named:
        return named
    if importlib.util.find_spec("pydrake") is None:
        pytest.skip("needs Drake: pip install drake, or ROVER_ENERGY_DRAKE_PYTHON=<python that has it>")
    return sys.executable


DRAKE_SCRIPT = """
import sys
from pydrake.multibody.parsing import Parser
from pydrake.multibody.plant import MultibodyPlant
plant = MultibodyPlant(0.004)
Parser(plant).AddModels(sys.argv[1])
plant.Finalize()
context = plant.CreateDefaultContext()
print(plant.num_bodies(), plant.num_actuated_dofs(), plant.CalcTotalMass(context))
"""


@pytest.mark.parametrize("kind", ["world", "model"])
def test_drake_accepts_every_element(files: dict[str, Path], kind: str) -> None:
    """Drake raises for what SDF does not define; what it only does not use itself, it names as unsupported."""
    done = subprocess.run(
        [drake_python(), "-c", DRAKE_SCRIPT, str(files[kind])], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "warning" in line.lower()]
    assert all("unsupported" in line.lower() for line in warnings), warnings
    if kind == "model":
        bodies, joints, mass = done.stdout.split()
        assert (int(bodies), int(joints)) == (15 + 1, 14)  # Drake counts the world as a body
        assert float(mass) == pytest.approx(ROVER.locomotion.mass, rel=1e-6)


def test_drake_finds_a_misspelt_element(files: dict[str, Path], tmp_path: Path) -> None:
    """The check above can fail."""
    wrong = tmp_path / "wrong.sdf"
    wrong.write_text(files["model"].read_text().replace("<damping>", "<dampening>").replace("</damping>", "</dampening>"))
    command = [drake_python(), "-c", DRAKE_SCRIPT, str(wrong)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0


@pytest.mark.parametrize("kind", ["world", "model"])
def test_version_is_read_by_fortress_to_jetty(files: dict[str, Path], kind: str) -> None:
    assert parse(files[kind]).get("version") == "1.9"
    assert "spherical_coordinates" not in files[kind].read_text()


def test_links_and_joints_share_one_name_space(files: dict[str, Path]) -> None:
    model = parse(files["model"]).find("model")
    assert model is not None
    names = [element.get("name") for element in model if element.tag in {"link", "joint"}]
    assert len(names) == len(set(names)) == 15 + 14


@pytest.mark.parametrize("kind", ["world", "model"])
def test_plugins_are_known_systems(files: dict[str, Path], kind: str) -> None:
    plugins = list(parse(files[kind]).iter("plugin"))
    assert plugins
    for plugin in plugins:
        assert plugin.get("name") == f"gz::sim::systems::{SYSTEMS[str(plugin.get('filename'))]}"


def test_bridged_topics_exist_with_their_type_and_direction(files: dict[str, Path]) -> None:
    """What the model publishes and hears, by its plugins and sensors, against the bridge file: both ways."""
    model = parse(files["model"])
    gazebo = {}
    for sensor in model.iter("sensor"):
        gazebo[str(sensor.findtext("topic"))] = (PUBLISHED[str(sensor.get("type"))], "GZ_TO_ROS")
    for plugin in model.iter("plugin"):
        topic = plugin.findtext("topic") or str(plugin.findtext("odom_topic"))
        system = str(plugin.get("name")).rpartition("::")[2]
        heard = system in {"JointController", "JointPositionController"}
        kind = "gz.msgs.Double" if heard else {"JointStatePublisher": "gz.msgs.Model"}.get(system, "gz.msgs.Odometry")
        gazebo[topic] = (kind, "ROS_TO_GZ" if heard else "GZ_TO_ROS")
    entries = yaml.safe_load(files["bridge"].read_text())
    assert entries == bridge_entries()
    assert {e["gz_topic_name"]: (e["gz_type_name"], e["direction"]) for e in entries} == gazebo
    assert all(PAIRS[e["gz_type_name"]] == e["ros_type_name"] for e in entries)
    assert len({e["ros_topic_name"] for e in entries}) == len(entries)


def test_each_wheel_is_driven_metered_and_each_corner_steered(files: dict[str, Path]) -> None:
    text = files["model"].read_text()
    for wheel in WHEELS:
        assert f"<joint_name>drive_{wheel}_joint</joint_name>" in text
        assert f"/model/rover/wrench/{wheel}<" in text
    for corner in CORNERS:
        assert f"<joint_name>steer_{corner}_joint</joint_name>" in text
    assert "battery" not in text  # the bus is the power node's
    assert text.count("<measure_direction>child_to_parent</measure_direction>") == 6


def test_every_step_of_the_engine_is_measured(files: dict[str, Path]) -> None:
    """Torques and speeds at each step, or there would be power that no meter sees; a window is a whole number of steps."""
    assert float(str(parse(files["world"]).findtext(".//physics/max_step_size"))) == STEP
    steps = 0.02 / STEP
    assert steps == pytest.approx(round(steps), abs=1e-12)
    model = parse(files["model"])
    rates = [float(str(s.findtext("update_rate"))) for s in model.iter("sensor") if s.get("type") == "force_torque"]
    assert rates == [1.0 / STEP] * len(WHEELS)
    states = next(p for p in model.iter("plugin") if str(p.get("name")).endswith("JointStatePublisher"))
    assert states.find("update_rate") is None


@pytest.mark.parametrize("mass", [60.0, 200.0, 899.0])
def test_wheels_are_driven_by_torque_and_stay_stable(tmp_path: Path, mass: float) -> None:
    """Gazebo applies the controller's torque one step late: of a wheel in the air the error shrinks only while gain * step is
    less than its inertia. Every wheel has the motor's limit and the gain that the drivers reckon with."""
    described = rover(mass)
    geometry = rover_geometry(described, gravity=GRAVITY)
    model = parse(write_gazebo(tmp_path, rough(), SUN, described)["model"])
    drives = [p for p in model.iter("plugin") if str(p.get("name")).endswith("JointController")]
    assert len(drives) == len(WHEELS)
    for plugin in drives:
        assert plugin.findtext("use_force_commands") == "true"
        values = [float(str(plugin.findtext(key))) for key in ("p_gain", "cmd_max", "cmd_min")]
        limit = geometry.torque_limit
        np.testing.assert_allclose(values, [drive_stiffness(geometry), limit, -limit], rtol=1e-6)
        spin = next(link for link in model.iter("link") if str(link.get("name")).startswith("wheel_f"))
        assert values[0] * STEP < float(str(spin.findtext("inertial/inertia/iyy")))


@pytest.mark.parametrize("mass", [60.0, 200.0, 899.0])
def test_masses_and_inertias(mass: float) -> None:
    described = rover(mass)
    root = ElementTree.fromstring(rover_sdf(rover_geometry(described, gravity=GRAVITY), gravity=GRAVITY))
    total, yaw = 0.0, 0.0
    for link in root.iter("link"):
        at = np.array(str(link.findtext("pose")).split(), dtype=float)
        centre = np.array(str(link.findtext("inertial/pose")).split(), dtype=float)
        each = float(str(link.findtext("inertial/mass")))
        tensor = [float(str(link.findtext(f"inertial/inertia/i{axis}{axis}"))) for axis in "xyz"]
        assert sum(tensor) - 2.0 * max(tensor) > 0.0  # triangle inequality, or Gazebo refuses the link
        total += each
        x, y = at[0] + centre[0], at[1] + centre[1]
        yaw += tensor[2] + each * (x * x + y * y)
    assert total == pytest.approx(mass, rel=1e-6)
    assert yaw == pytest.approx(described.locomotion.yaw_inertia, rel=1e-5)


def test_springs_hold_the_body_up() -> None:
    """They must be several times stiffer than the moment with which a body above its pivots topples."""
    g = rover_geometry(ROVER, gravity=GRAVITY)
    stiffness, damping = differential_spring(g, GRAVITY)
    toppling = g.body_mass * GRAVITY * (g.centre_of_mass - g.rocker_pivot[1])
    assert 2.0 * stiffness > 4.0 * toppling
    assert damping > 0.0


def read_png(path: Path) -> np.ndarray:
    image = pytest.importorskip("PIL.Image", reason="needs Pillow to read PNG").open(path)
    assert image.mode == "I;16"
    return np.asarray(image).astype(float)


@pytest.mark.parametrize("shape", [(201, 201), (60, 140), (129, 129)])
def test_ground_as_gazebo_physics_reads_it(tmp_path: Path, shape: tuple[int, int]) -> None:
    """Pixels spread over size/n, first row north, height = pose + grey * size_z: back to the terrain, from the files alone."""
    y, x = np.meshgrid(np.arange(shape[0]) * 0.25, np.arange(shape[1]) * 0.25, indexing="ij")
    ground = Terrain(800.0 + 0.2 * x + np.sin(x / 3.0) + 0.5 * np.cos(y / 2.0), 50.0, -20.0, 0.25)
    files = write_gazebo(tmp_path, ground, SUN, ROVER)
    pixels = read_png(files["heightmap"])
    n = len(pixels)
    assert pixels.shape == (n, n)
    assert np.log2(n - 1).is_integer()
    assert (pixels.min(), pixels.max()) == (0.0, FULL)
    link = parse(files["world"]).find(".//link[@name='ground_link']")
    assert link is not None
    pose = np.array(str(link.findtext("pose")).split(), dtype=float)
    for pos in link.iter("pos"):
        assert np.array_equal(np.array(str(pos.text).split(), dtype=float), np.zeros(3))
    size = np.array(str(link.findtext("collision/geometry/heightmap/size")).split(), dtype=float)
    offsets = (np.arange(n) - (n - 1) / 2.0) * size[0] / n
    east, north = pose[0] + offsets, pose[1] - offsets
    heights = pose[2] + pixels / FULL * size[2]
    inside = (
        ((north >= ground.y[0]) & (north <= ground.y[-1]))[:, None] & ((east >= ground.x[0]) & (east <= ground.x[-1]))[None, :]
    )
    px, py = np.meshgrid(east, north)
    wanted = 800.0 + 0.2 * (px - 50.0) + np.sin((px - 50.0) / 3.0) + 0.5 * np.cos((py + 20.0) / 2.0)
    assert np.max(np.abs(heights - wanted)[inside]) < 0.008
    assert inside.sum() > 0.4 * n * min(shape)
    assert (link.findtext("visual/geometry/heightmap/uri")) == files["heightmap"].name


def test_exact_nodes_where_the_sizes_fit() -> None:
    terrain = Terrain(np.random.default_rng(2).normal(0.0, 1.0, (129, 129)), cell=0.25)
    image = heightmap(terrain)
    assert image.spacing == pytest.approx(0.25)
    back = image.low + image.pixels[::-1].astype(float) / FULL * image.relief
    np.testing.assert_allclose(back, terrain.height, atol=image.relief / FULL)


def test_level_ground_and_missing_heights() -> None:
    assert heightmap(Terrain(np.full((20, 20), 5.0))).pixels.max() == 0
    height = np.zeros((20, 20))
    height[3, 4] = np.nan
    height[0, 0] = 1.0
    assert heightmap(Terrain(height)).relief == pytest.approx(1.0)


def test_sun_and_gravity_of_the_world(files: dict[str, Path], tmp_path: Path) -> None:
    world = parse(files["world"])
    direction = np.array(str(world.findtext(".//light[@name='sun']/direction")).split(), dtype=float)
    np.testing.assert_allclose(direction, -SUN.sun[0], atol=1e-8)
    assert str(world.findtext(".//gravity")).split() == ["0", "0", "-1.62"]
    assert world.findtext(".//physics/dart/collision_detector") == "bullet"
    night = write_gazebo(tmp_path, rough(), Environment.dark(GRAVITY), ROVER)
    assert parse(night["world"]).find(".//light") is None


def test_several_rovers_share_a_world(tmp_path: Path) -> None:
    text = write_gazebo(tmp_path, rough(), SUN, ROVER, name="scout_2")["model"].read_text()
    topics = re.findall(r"<(?:odom_)?topic>([^<]+)<", text)
    assert topics
    assert all(topic.startswith("/model/scout_2/") for topic in topics)


@pytest.mark.parametrize("name", ["", "a b", "../x", "é"])
def test_names_that_are_not_plain_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="plain"):
        write_gazebo(tmp_path, rough(), SUN, ROVER, name=name)


def test_pace_is_gazebos_real_time_factor(tmp_path: Path) -> None:
    world = parse(write_gazebo(tmp_path, rough(), SUN, ROVER, pace=0.25)["world"])
    assert world.findtext(".//physics/real_time_factor") == "0.25"
    with pytest.raises(InputError, match="pace"):
        write_gazebo(tmp_path, rough(), SUN, ROVER, pace=float("nan"))


@pytest.mark.parametrize("largest", [100, 9, 1024])
def test_sizes_that_gazebo_cannot_use_are_refused(largest: int) -> None:
    with pytest.raises(InputError, match="power of two"):
        heightmap(rough(), largest=largest)


def test_shipped_example_is_what_the_generator_writes(tmp_path: Path) -> None:
    """sim/gazebo comes from sim/worlds/crater_field.npz by the command in sim/README.md."""
    from rover_energy.terrain import load_terrain

    shipped = Path(__file__).resolve().parents[2] / "sim"
    ground = load_terrain(shipped / "worlds" / "crater_field.npz")
    scene = Environment.constant(GRAVITY, 1.0471975511965976, 0.3490658503988659, 1361.0)
    for key, path in write_gazebo(tmp_path, ground, scene, RoverParameters()).items():
        relative = path.relative_to(tmp_path)
        if key == "heightmap":  # zlib may pack the same pixels otherwise
            np.testing.assert_array_equal(read_png(path), read_png(shipped / "gazebo" / relative))
        else:
            assert (shipped / "gazebo" / relative).read_text() == path.read_text(), relative
