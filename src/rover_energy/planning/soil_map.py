"""A predicted map of the ground's resistance: what it holds, its file, and what a plan takes from the bus on it."""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from rover_energy.errors import InputError
from rover_energy.locomotion.demand import LocomotionParameters, resistance_force, slip, traction_force
from rover_energy.planning.evaluation import Profile
from rover_energy.rover import RoverParameters

Array = NDArray[np.float64]
LEAST, MOST = 0.05, 50.0  # factors that a map may hold
NAMES = ("factor", "upper")


@dataclass(frozen=True, eq=False)
class SoilMap:
    """Resistance of the ground over that of rover.yaml, on a grid of the map frame.

    Attributes
    ----------
    factor : (ny, nx) array
        Best estimate [-], 0.05 to 50, NaN where unknown; rows south to north. It multiplies resistance and turn moment.
    upper : (ny, nx) array
        Estimate of the quantile `confidence`, at least `factor`.
    x0, y0, cell : float
        First node and distance of nodes [m].
    confidence : float
        Share of the ground that is said to lie below `upper`, 0.5 to 1.
    name : str
        Who predicted it.

    Raises
    ------
    InputError
        Shapes, values or order that cannot be.
    """

    factor: Array
    upper: Array
    x0: float
    y0: float
    cell: float
    confidence: float = 0.9
    name: str = "soil map"

    def __post_init__(self) -> None:
        for field in NAMES:
            array = np.array(getattr(self, field), dtype=np.float64)
            if array.ndim != 2 or min(array.shape) < 2 or array.shape != np.shape(self.factor):
                raise InputError(self.name, field, f"has shape {array.shape}", "give (ny, nx) of 2 x 2 or more, both alike")
            if not np.all(np.isnan(array) | ((array >= LEAST) & (array <= MOST))):
                raise InputError(self.name, field, f"is not within {LEAST:g} .. {MOST:g}", "give factors, NaN where unknown")
            array.flags.writeable = False
            object.__setattr__(self, field, array)
        if np.any(self.upper < self.factor):
            raise InputError(self.name, "upper", "lies below factor somewhere", "give the upper estimate")
        if np.all(self.unknown):
            raise InputError(self.name, "factor", "is unknown everywhere", "predict the map again")
        for field, low, high in (("x0", -1e9, 1e9), ("y0", -1e9, 1e9), ("cell", 1e-3, 1e6), ("confidence", 0.5, 1.0)):
            if not low <= getattr(self, field) <= high:
                raise InputError(self.name, field, f"is not within {low:g} .. {high:g}", "correct it", getattr(self, field))

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Nodes without a prediction; nothing is planned over them."""
        return np.isnan(self.factor) | np.isnan(self.upper)

    def at(self, x: ArrayLike, y: ArrayLike, *, upper: bool = False) -> Array:
        """Factor, or its upper estimate, at points [m]: bilinear; NaN off the map and beside unknown nodes."""
        x, y = np.broadcast_arrays(np.asarray(x, dtype=float), np.asarray(y, dtype=float))
        places = [(y.ravel() - self.y0) / self.cell, (x.ravel() - self.x0) / self.cell]
        values = self.upper if upper else self.factor
        return np.asarray(ndimage.map_coordinates(values, places, order=1, mode="constant", cval=np.nan)).reshape(x.shape)

    def check_covers(self, extent: tuple[float, float, float, float]) -> None:
        """Raises InputError unless the map reaches over an extent (xmin, ymin, xmax, ymax) [m], to half a cell."""
        ny, nx = self.factor.shape
        own = (self.x0, self.y0, self.x0 + (nx - 1) * self.cell, self.y0 + (ny - 1) * self.cell)
        slack = 0.5 * self.cell + 1e-6
        if not (own[0] <= extent[0] + slack and own[1] <= extent[1] + slack
                and own[2] >= extent[2] - slack and own[3] >= extent[3] - slack):  # fmt: skip
            limits = "x {0:g} .. {2:g} m, y {1:g} .. {3:g} m".format(*extent)
            raise InputError(
                self.name, "extent", f"does not cover the terrain, {limits}", "predict the map for this terrain", own
            )

    def above(self, ceiling: float) -> NDArray[np.bool_]:
        """Nodes that resist more than a ceiling by the best estimate, and the unknown ones."""
        return self.unknown | (np.nan_to_num(self.factor, nan=np.inf) > ceiling)

    def polygons(self, mask: NDArray[np.bool_], *, tolerance: float = 0.0) -> list[shapely.Polygon]:
        """Cells of the marked nodes as polygons without holes [m], cells that touch joined, borders to a tolerance [m]."""
        rows, columns = np.nonzero(mask)
        if rows.size == 0:
            return []
        x, y, half = self.x0 + columns * self.cell, self.y0 + rows * self.cell, 0.5 * self.cell
        joined = shapely.union_all(shapely.box(x - half, y - half, x + half, y + half)).simplify(tolerance)
        found: list[shapely.Polygon] = []
        for part in shapely.get_parts(joined):
            found += _without_holes(part)
        return found


def _without_holes(polygon: shapely.Polygon) -> list[shapely.Polygon]:
    """Cut through each hole: a ring around firm ground must not become a disc."""
    if not polygon.interiors:
        return [polygon]
    xmin, ymin, xmax, ymax = polygon.bounds
    cut = polygon.interiors[0].centroid.x
    sides = shapely.box(xmin, ymin, cut, ymax), shapely.box(cut, ymin, xmax, ymax)
    parts = [part for side in sides for part in shapely.get_parts(polygon.intersection(side))]
    return [piece for part in parts if part.geom_type == "Polygon" and part.area > 0.0 for piece in _without_holes(part)]


def read_soil_map(path: Path) -> SoilMap:
    """Read an `.npz` with `factor`, `upper` (ny, nx) [-], `x0`, `y0`, `cell` [m], and optionally `confidence`, `name`.

    Raises InputError when it cannot be read or used.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            held: dict[str, Any] = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(str(path), "file", f"cannot be read as .npz ({reason})", "predict the map again") from None
    if missing := [key for key in (*NAMES, "x0", "y0", "cell") if key not in held]:
        raise InputError(str(path), missing[0], "is missing", f"store an array named {missing[0]}")
    for key in (*NAMES, "x0", "y0", "cell", "confidence"):
        if key in held and (held[key].dtype.kind not in "iuf" or (key not in NAMES and held[key].size != 1)):
            raise InputError(str(path), key, f"is {held[key].dtype} of shape {held[key].shape}", "store real numbers")
    numbers = {key: float(held[key].reshape(())) for key in ("x0", "y0", "cell", "confidence") if key in held}
    return SoilMap(held["factor"], held["upper"], **numbers, name=str(path))


def write_soil_map(path: Path, soil: SoilMap) -> None:
    """Write the file that `read_soil_map` reads."""
    np.savez_compressed(
        path, factor=soil.factor, upper=soil.upper, x0=soil.x0, y0=soil.y0, cell=soil.cell, confidence=soil.confidence,
        name=soil.name,
    )  # fmt: skip


def softened(rover: RoverParameters, factor: float, gravity: float) -> RoverParameters:
    """The rover on ground that resists so many times as much everywhere: resistance and turn moment.

    Of the model 'bekker' the resistance at full load, which no tilt exceeds, becomes the constant part of a polynomial.
    """
    move, old = rover.locomotion, rover.locomotion.resistance
    at_rest = old.c0
    if old.model == "bekker":
        at_rest = float(resistance_force(move, speed=0.0, tilt=0.0, gravity=gravity))
    ground = replace(old, model="polynomial", c0=factor * at_rest, c1=factor * old.c1, c2=factor * old.c2)
    return replace(rover, locomotion=replace(move, resistance=ground, turn_moment=factor * move.turn_moment))


def power_over(profile: Profile, locomotion: LocomotionParameters, factor: Array, gravity: float) -> Array:
    """Total power of a plan [W] at the samples of its profile where the ground resists `factor` (m,) times as much.

    The motion is the profile's: a rover that keeps to its plan however soft the ground. `locomotion` is that of factor 1.
    """
    force = traction_force(
        locomotion, speed=profile.speed, acceleration=profile.acceleration, along_slope=profile.along_slope,
        tilt=profile.tilt, gravity=gravity,
    )  # fmt: skip
    force = force + (factor - 1.0) * resistance_force(locomotion, speed=profile.speed, tilt=profile.tilt, gravity=gravity)
    drive = np.maximum(0.0, force * profile.speed / (1.0 - slip(locomotion.slip, profile.along_slope)))
    inertia = np.maximum(0.0, locomotion.yaw_inertia * profile.yaw_acceleration * profile.yaw_rate)
    turn = inertia + factor * locomotion.turn_moment * np.abs(profile.yaw_rate)
    total: Array = profile.base_power + profile.inference_power + (drive + turn) / locomotion.drivetrain_efficiency
    return total


def energy_of(power: Array, t: Array) -> float:
    """Integral of a power over time [J]; NaN where the power is unknown."""
    return math.fsum((0.5 * (power[1:] + power[:-1]) * np.diff(t)).tolist())
