"""Classes of the ground around the rover, by the network that the bus can afford; the reserved one always answers."""

from __future__ import annotations

import array
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.inference.learning.export import Session
from rover_energy.inference.store import read_store
from rover_energy.inference.tasks.terrain_patches import CHANNELS, CLASSES, HAZARDS, SIDE, cut_patches
from rover_energy.nodes import ros
from rover_energy.nodes.inference_settings import TerrainClassParameters
from rover_energy.nodes.plan_folder import read_world
from rover_energy.nodes.spender import Permit, Spender, Spent

TASK = "terrain_class"
UNSEEN = 255


class TerrainClassifier(ros.Part):
    """Asks once a period for all patches around the rover. An answer is due before the next question."""

    name, parameters = "terrain_classifier", TerrainClassParameters

    def configure(self) -> None:
        p = self.settings
        if not p.store:
            raise InputError(self.name, "store", "is empty", "make one: rover-energy infer build --out DIR")
        store, folder = read_store(Path(p.store)), Path(p.store).parent
        self.variants = {v.name: v for v in store if v.task == TASK and v.artefact and v.priced}
        if not self.variants:
            raise InputError(p.store, TASK, "has no variant that runs here", "build one: rover-energy infer build --out DIR")
        self.session = cache(lambda name: Session(folder / self.variants[name].artefact))
        blank = np.zeros((p.across**2, CHANNELS, SIDE, SIDE), dtype=np.float32)
        for name in self.variants:  # a missing package or a broken file is said now, and no run pays for a first call
            self.session(name)(blank)
        self.world = read_world(p.folder)
        self.stride = 0.5 * SIDE * p.spacing  # what a run needs and does not change is made now: a run's energy is counted
        along = self.stride * (np.arange(p.across) - (p.across - 1) / 2.0)
        self.around = np.stack(np.meshgrid(along, along), axis=-1).reshape(-1, 2)
        self.still = self.azimuth_at(float(self.world.environment.times[0])) if self.world.environment.times.size == 1 else None
        self.spender, self.send = Spender(self, TASK), self.publisher("terrain_classes")
        self.odometry = b""
        self.odometry_class = ros.message_class("nav_msgs/msg/Odometry")
        self.subscribe("odom", lambda data: setattr(self, "odometry", data), depth=1, raw=True)
        self.timer = self.ros.create_timer(p.period, self.on_timer)

    def deactivate(self) -> None:
        if hasattr(self, "spender"):
            self.spender.close()

    def on_timer(self) -> None:
        """Ask for the patches around where the rover is now."""
        if not self.active or not self.odometry or self.spender.busy:
            return
        message = ros.need("rclpy.serialization").deserialize_message(bytes(self.odometry), self.odometry_class)
        at = message.pose.pose.position
        if not math.isfinite(at.x + at.y):
            return
        header, x, y = message.header, at.x, at.y
        self.spender.ask(
            amount=self.settings.across**2, patience=self.settings.period, run=lambda permit: self.run(permit, header, x, y),
            refused=self.refused,
        )  # fmt: skip

    def refused(self, code: str, text: str) -> None:
        """No answer this time."""
        self.ros.get_logger().warning(f"{code}: {text}", throttle_duration_sec=10.0)

    def run(self, permit: Permit, header: Any, x: float, y: float) -> Spent:
        """In the Spender's thread."""
        variant, p, terrain = self.variants[permit.variant], self.settings, self.world.terrain
        centres = self.around + np.array((x, y))
        azimuth = self.azimuth_at(ros.seconds(header.stamp)) if self.still is None else self.still
        patches, known = cut_patches(
            terrain.height, terrain.x0, terrain.y0, terrain.cell, centres, spacing=p.spacing, azimuth=azimuth
        )
        scores = self.session(variant.name)(patches)
        amount = len(centres)
        corner = tuple(float(v) - 0.5 * self.stride for v in centres[0])
        return Spent(
            quality=variant.quality, operations=variant.operations * amount, quoted=variant.energy_of(amount),
            then=lambda: self.publish(permit, header, corner, self.stride, scores, known),
        )  # fmt: skip

    def azimuth_at(self, time: float) -> float:
        """Direction to the Sun from x towards y [rad]."""
        sun = self.world.environment.sun_direction(time)
        return math.atan2(float(sun[..., 1]), float(sun[..., 0]))

    def publish(
        self, permit: Permit, header: Any, corner: tuple[float, ...], stride: float, scores: NDArray[Any], known: NDArray[Any]
    ) -> None:
        """The answer, stamped as the odometry that it belongs to."""
        message = ros.message_class("rover_energy_interfaces/msg/TerrainClasses")()
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        message.header.stamp, message.header.frame_id = header.stamp, "map"
        message.resolution, (message.origin_x, message.origin_y) = stride, corner
        message.width = message.height = self.settings.across
        message.classes, message.hazard = list(CLASSES), [name in HAZARDS for name in CLASSES]
        message.data = array.array("B", np.where(known, odds.argmax(axis=1), UNSEEN).astype(np.uint8).tobytes())
        message.confidence = np.where(known, odds.max(axis=1), np.nan).astype(np.float32).tolist()
        message.variant, message.request_id = permit.variant, permit.request_id
        self.send(message)


def main() -> None:
    """Entry point."""
    ros.run(TerrainClassifier)


if __name__ == "__main__":
    main()
