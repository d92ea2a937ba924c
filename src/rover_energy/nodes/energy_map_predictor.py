"""Predicts how hard the ground resists from heights and an image, on the power granted for it, and publishes it as a map."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from rover_energy.errors import InputError
from rover_energy.inference.energy_maps import CONFIDENCE, Prediction, predict, read_image
from rover_energy.inference.learning.export import Session
from rover_energy.inference.store import read_store
from rover_energy.inference.tasks.soil_maps import SIDE, traction_energy
from rover_energy.locomotion.demand import resistance_force, slip
from rover_energy.nodes import ros
from rover_energy.nodes.inference_settings import EnergyMapParameters
from rover_energy.nodes.plan_folder import read_world
from rover_energy.nodes.spender import Permit, Spender, Spent
from rover_energy.nodes.terrain_messages import grid_map, occupancy, percent
from rover_energy.planning.layers import Grid
from rover_energy.planning.soil_map import SoilMap, write_soil_map

TASK = "energy_map"
ENERGY_STEP = 10.0  # [J/m] of one step of the layer
EXACT = "grid_map_energy"  # topic of the layers in SI units, where grid_map_msgs is installed


class EnergyMapPredictor(ros.Part):
    """Asks once for the map of its terrain, again every `period` until it has run; it can wait for surplus."""

    name, parameters = "energy_map_predictor", EnergyMapParameters

    def configure(self) -> None:
        p = self.settings
        for field in ("store", "image"):
            if not getattr(p, field):
                raise InputError(self.name, field, "is empty", "name a file; see docs/inference_maps.md")
        self.world = read_world(p.folder)
        terrain = self.world.terrain
        self.image = read_image(Path(p.image))
        rows, columns = terrain.height.shape
        self.grid = Grid(terrain.x0, terrain.y0, terrain.cell, rows, columns)
        self.amount = max(1.0, rows * columns / SIDE**2)
        store = read_store(Path(p.store))
        self.variants = {variant.name: variant for variant in store.of_task(TASK)}
        self.session = cache(lambda artefact: Session(Path(p.store).parent / artefact))
        self.spender = Spender(self, TASK)
        self.send = self.publisher("map_energy")
        kind = grid_map.message()
        self.exact = None if kind is None else self.ros.create_publisher(kind, EXACT, ros.quality("latched"))
        self.done = False
        self.timer = self.every(p.period, self.ask)

    def activate(self) -> None:
        self.ask()

    def deactivate(self) -> None:
        self.spender.close()

    def ask(self) -> None:
        """Ask for the run, unless it is asked for or done."""
        if self.active and not self.done and not self.spender.busy:
            self.spender.ask(
                amount=self.amount, patience=self.settings.patience, deferrable=True, run=self.run, refused=self.refused
            )

    def refused(self, code: str, text: str) -> None:
        self.ros.get_logger().warning(f"{code}: {text}; asked again in {self.settings.period:g} s")

    def run(self, permit: Permit) -> Spent:
        """In the Spender's thread."""
        variant = self.variants[permit.variant]
        made = predict(self.session(variant.artefact), self.world.terrain, self.image)
        quoted = variant.energy_of(self.amount)
        return Spent(quality=variant.quality, quoted=quoted, then=lambda: self.publish(made, permit.variant))

    def publish(self, made: Prediction, variant: str) -> None:
        """The map, and the file for the planner."""
        self.done = True
        now, world = self.now, self.world
        move = world.rover.locomotion
        firm = float(resistance_force(move, speed=0.0, tilt=0.0, gravity=world.environment.gravity))
        level = float(slip(move.slip, 0.0))
        energy = traction_energy(made.factor, firm, level, move.drivetrain_efficiency)
        self.send(occupancy(percent(energy / ENERGY_STEP / 100.0), self.grid, now))
        if self.exact is not None:
            layers = {"traction_energy": energy, "resistance_factor": made.factor, "resistance_factor_upper": made.upper}
            self.exact.publish(grid_map.build(layers, self.grid, now))
        if self.settings.out:
            soil = SoilMap(made.factor, made.upper, self.grid.x0, self.grid.y0, self.grid.cell, CONFIDENCE, variant)
            write_soil_map(Path(self.settings.out), soil)
        known = energy[np.isfinite(energy)]
        self.ros.get_logger().info(f"energy of traction {known.min():.0f} to {known.max():.0f} J/m by {variant}")


def main() -> None:
    """Entry point."""
    ros.run(EnergyMapPredictor)


if __name__ == "__main__":
    main()
