"""Terrain: height grids from files or a generator, and the smooth surface on which the rover drives."""

from rover_energy.terrain.bspline import BicubicSpline
from rover_energy.terrain.field import ScalarField
from rover_energy.terrain.generator import generate_lunar_terrain
from rover_energy.terrain.loading import load_terrain
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import Surface, no_data_polygons

__all__ = ["BicubicSpline", "ScalarField", "Surface", "Terrain", "generate_lunar_terrain", "load_terrain", "no_data_polygons"]
