"""What the tests of the views share: a bag of the contract's topics whose every value comes from a formula of its time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from rover_energy.nodes.topics import BY_NAME, INTERFACES
from rover_energy.terrain.raster import Terrain

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = ROOT / "ros_ws" / "src" / INTERFACES / "msg"
SECONDS, RATE = 12.0, 50
BASE, INFERENCE, RTG, FLOOR, CAPACITY = 55.0, 10.0, 76.0, 750.0, 5000.0


def store() -> Any:
    """Types of ROS 2 and of the message package, from the sources of the checkout: no ROS is needed."""
    typesys = pytest.importorskip("rosbags.typesys", reason="rosbags is not installed")
    made = typesys.get_typestore(typesys.Stores.ROS2_KILTED)
    types: dict[str, Any] = {}
    for path in sorted(DEFINITIONS.glob("*.msg")):
        types.update(typesys.get_types_from_msg(path.read_text(encoding="utf-8"), f"{INTERFACES}/msg/{path.stem}"))
    made.register(types)
    return made


def definitions(texts: dict[str, str]) -> Any:
    """A typestore of nothing but some types, each given with all that it is made of (ros2msg)."""
    typesys = pytest.importorskip("rosbags.typesys", reason="rosbags is not installed")
    types: dict[str, Any] = {}
    for kind, text in texts.items():
        types.update(typesys.get_types_from_msg(text, kind))
    made = typesys.get_typestore(typesys.Stores.EMPTY)
    made.register(types)
    return made


def drive_power(t: float) -> float:
    return 60.0 + 40.0 * math.sin(0.5 * t)


def available(t: float) -> float:
    return 190.0 + 20.0 * math.cos(0.3 * t)


def place(t: float) -> tuple[float, float, float]:
    return 10.0 + 0.4 * t, 12.0 + 0.3 * t, 0.1 * t


class Maker:
    """Messages of a typestore."""

    def __init__(self) -> None:
        self.store = store()

    def header(self, t: float, frame: str) -> Any:
        total = round(t * 1e9)
        stamp = self.store.types["builtin_interfaces/msg/Time"](sec=total // 10**9, nanosec=total % 10**9)
        return self.store.types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame)

    def load(self, name: str, power: float, t: float) -> Any:
        provenance = self.store.types[f"{INTERFACES}/msg/Provenance"](value=1)
        kind = self.store.types[f"{INTERFACES}/msg/LoadState"]
        return kind(name=name, power=power, energy=power * t, age=0.0, enabled=True, valid=True, provenance=provenance)

    def power(self, t: float, *, validity: int = 31, over: float = 0.0) -> Any:
        loads = [self.load("base", BASE, t), self.load("inference", INFERENCE, t), self.load("drive", drive_power(t) + over, t)]
        provenance = self.store.types[f"{INTERFACES}/msg/Provenance"](value=1)
        total, pv = sum(load.power for load in loads), 50.0
        return self.store.types[f"{INTERFACES}/msg/PowerState"](
            header=self.header(t, "base_link"), rtg_power=RTG, pv_power=pv, battery_power=total - RTG - pv + 3.0, shunt_power=2.0,
            loads=loads, available_power=available(t), battery_energy=3000.0 - 5.0 * t, battery_capacity=CAPACITY,
            state_of_charge=(3000.0 - 5.0 * t) / CAPACITY, battery_floor=FLOOR, battery_temperature=293.0, discharge_limit=60.0,
            charge_limit=60.0, residual=1.0, validity=validity, rtg_provenance=provenance, pv_provenance=provenance,
            battery_provenance=provenance,
        )  # fmt: skip

    def odometry(self, t: float, frame: str = "base_link") -> Any:
        types, heading = self.store.types, math.atan2(0.3, 0.4)
        zero = types["geometry_msgs/msg/Vector3"](x=0.0, y=0.0, z=0.0)
        x, y, z = place(t)
        turn = types["geometry_msgs/msg/Quaternion"](x=0.0, y=0.0, z=math.sin(heading / 2), w=math.cos(heading / 2))
        pose = types["geometry_msgs/msg/Pose"](position=types["geometry_msgs/msg/Point"](x=x, y=y, z=z), orientation=turn)
        twist = types["geometry_msgs/msg/Twist"](linear=types["geometry_msgs/msg/Vector3"](x=0.5, y=0.0, z=0.0), angular=zero)
        import numpy as np

        none = np.zeros(36)
        return types["nav_msgs/msg/Odometry"](
            header=self.header(t, "map"), child_frame_id=frame,
            pose=types["geometry_msgs/msg/PoseWithCovariance"](pose=pose, covariance=none),
            twist=types["geometry_msgs/msg/TwistWithCovariance"](twist=twist, covariance=none),
        )  # fmt: skip

    def joints(self, t: float) -> Any:
        """Six wheels whose shafts deliver, at the built-in rover's drivetrain efficiency, what the meter reads."""
        import numpy as np

        from rover_energy.rover import RoverParameters

        each = drive_power(t) * RoverParameters().locomotion.drivetrain_efficiency / 6.0
        names = [f"drive_{name}_joint" for name in ("fl", "fr", "ml", "mr", "rl", "rr")]
        return self.store.types["sensor_msgs/msg/JointState"](
            header=self.header(t, "base_link"), name=names, position=np.zeros(6), velocity=np.full(6, 2.0),
            effort=np.full(6, each / 2.0),
        )  # fmt: skip

    def clock(self, t: float) -> Any:
        return self.store.types["rosgraph_msgs/msg/Clock"](clock=self.header(t, "").stamp)


def write_bag(
    folder: Path, *, namespace: str = "", seconds: float = SECONDS, over_at: float = math.inf, storage: str = "MCAP"
) -> Path:
    """A rosbag2 of such messages: clock, joint_states, power_state, odom. From `over_at` on, more is taken than there is."""
    rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")
    make = Maker()
    with rosbag2.Writer(folder, version=9, storage_plugin=getattr(rosbag2.StoragePlugin, storage)) as writer:

        def connect(name: str) -> Any:
            topic = name if name.startswith("/") else f"{namespace}/{name}"
            return writer.add_connection(topic, BY_NAME[name].kind, typestore=make.store), BY_NAME[name].kind

        open_ = {name: connect(name) for name in ("/clock", "power_state", "odom", "joint_states")}
        for i in range(round(seconds * RATE) + 1):
            t = i / RATE
            over = 200.0 if t >= over_at else 0.0
            messages = {
                "/clock": make.clock(t), "joint_states": make.joints(t), "power_state": make.power(t, over=over),
                "odom": make.odometry(t),
            }  # fmt: skip
            for name, message in messages.items():
                connection, kind = open_[name]
                writer.write(connection, round(t * 1e9), make.store.serialize_cdr(message, kind))
    return folder


def hill() -> Terrain:
    import numpy as np

    x, y = np.meshgrid(np.arange(0.0, 30.1, 1.0), np.arange(0.0, 30.1, 1.0))
    return Terrain(np.sin(x / 5.0) + np.cos(y / 6.0), 0.0, 0.0, 1.0, "hill")
