"""The map for everyone else: what can be driven, height, slope, shadow and energy per metre, as grids of whole numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rover_energy.nodes import ros
from rover_energy.nodes.plan_folder import read_world
from rover_energy.nodes.settings import TerrainParameters
from rover_energy.nodes.terrain_messages import grid_map, occupancy, percent
from rover_energy.planning.layers import Grid, drivable_layer, energy_layer, height_layer, shadow_layer, tilt_layer

ENERGY_STEP = 10.0  # [J/m] of one step of the power layer
EXACT = "grid_map"  # topic of the layers in SI units, where grid_map_msgs is installed


class Terrain(ros.Part):
    """Publishes once when it is activated, and what the Sun changes again every `period` of ROS time."""

    name, parameters = "terrain", TerrainParameters

    def configure(self) -> None:
        self.world = read_world(self.settings.folder)
        self.grid = Grid.over(self.world, self.settings.resolution)
        self.send = {name: self.publisher(name) for name in ("map", "map_height", "map_slope", "map_shadow", "map_power")}
        self.exact: Any = None
        kind = grid_map.message()
        if kind is not None:
            self.exact = self.ros.create_publisher(kind, EXACT, ros.quality("latched"))
        self.shown = math.nan
        if self.world.environment.times.size > 1:
            self.subscribe("odom", self.on_odometry)

    def activate(self) -> None:
        w, g, now = self.world, self.grid, self.now
        self.still = {"height": height_layer(w, g), "tilt": tilt_layer(w, g)}
        low, high = (float(f(self.still["height"])) for f in (np.nanmin, np.nanmax))
        self.ros.get_logger().info(f"map_height: 0 is {low:.3f} m, 100 is {high:.3f} m")
        self.publish("map", drivable_layer(w, g), now)
        self.publish("map_height", percent((self.still["height"] - low) / max(high - low, 1e-9)), now)
        self.publish("map_slope", percent(np.degrees(self.still["tilt"]) / 100.0), now)
        self.light(now)

    @property
    def now(self) -> float:
        """ROS time within what the environment knows [s]."""
        times = self.world.environment.times
        now = super().now
        return now if times.size == 1 else min(max(now, float(times[0])), float(times[-1]))

    def on_odometry(self, message: Any) -> None:
        """The Sun moves by ROS time."""
        if self.active and ros.seconds(message.header.stamp) - self.shown >= self.settings.period:
            self.light(self.now)

    def light(self, now: float) -> None:
        """Everything that the Sun changes."""
        w, g, self.shown = self.world, self.grid, now
        shadow, energy = shadow_layer(w, g, now), energy_layer(w, g, now)
        self.publish("map_shadow", percent(shadow), now)
        self.publish("map_power", percent(energy / ENERGY_STEP / 100.0), now)
        if self.exact is not None:
            layers = {**self.still, "shadow": shadow, "energy_per_metre": energy}
            self.exact.publish(grid_map.build(layers, g, now))

    def publish(self, name: str, cells: Any, now: float) -> None:
        """One layer."""
        self.send[name](occupancy(cells, self.grid, now))


def main() -> None:
    """Entry point."""
    ros.run(Terrain)


if __name__ == "__main__":
    main()
