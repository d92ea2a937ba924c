"""The map of resistance that a network predicts from heights and an image, ready for a planner."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rover_energy.errors import InputError
from rover_energy.inference.tasks.soil_maps import CELL, features
from rover_energy.terrain.raster import Terrain
from rover_energy.terrain.surface import fill_no_data

Array = NDArray[np.float64]
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
MULTIPLE = 8  # of nodes, that three poolings need
SPACING = 0.1  # most that the map's cell may differ from the one trained with, over it
CONFIDENCE = 0.9  # of the upper output


@dataclass(frozen=True, eq=False)
class Prediction:
    """Factor on the resistance of firm ground and its upper estimate, (ny, nx); NaN where the ground is not known."""

    factor: Array
    upper: Array


def read_image(path: Path) -> Array:
    """`image` (ny, nx) of an `.npz`: brightness, NaN where there is none. Raises InputError."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if "image" not in archive.files:
                raise InputError(str(path), "image", "is missing", "store an array named image")
            image = archive["image"]
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(str(path), "file", f"cannot be read as .npz ({reason})", "write it with numpy.savez") from None
    if image.ndim != 2 or image.dtype.kind not in "iuf":
        raise InputError(str(path), "image", f"is {image.dtype} of shape {image.shape}", "give real numbers, one per node")
    return np.where(np.isfinite(image), image, np.nan).astype(float)


def predict(network: Network, terrain: Terrain, image: Array) -> Prediction:
    """What a network makes of a terrain and of its image.

    Parameters
    ----------
    network : callable
        (1, 2, ny, nx) to (1, 2, ny, nx): logarithms of factor and upper estimate, e.g. `learning.export.Session`.
    terrain : Terrain
        Heights on the cell that the network was trained with, to a tenth.
    image : (ny, nx) array
        Brightness at the same nodes.

    Raises
    ------
    InputError
        Another cell, an image of another shape or without any value, or a network that answers something else or not in
        numbers.
    """
    height = terrain.height
    if not abs(terrain.cell / CELL - 1.0) <= SPACING:
        raise InputError(
            terrain.name, "cell", f"is not {CELL:g} m to a tenth", "resample the map: texture is learnt per cell", terrain.cell
        )
    if np.shape(image) != height.shape:
        raise InputError(terrain.name, "image", f"has shape {np.shape(image)}, not {height.shape}", "give one value per node")
    unknown = terrain.no_data | ~np.isfinite(image)
    if np.all(unknown):
        raise InputError(terrain.name, "image", "has no value where the height is known", "give an image of this terrain")
    bright = np.where(np.isfinite(image), image, float(np.mean(image[~unknown])))
    x = features(fill_no_data(height), bright)
    ny, nx = height.shape
    padded = np.pad(x, ((0, 0), (0, -ny % MULTIPLE), (0, -nx % MULTIPLE)), mode="edge")
    answer = np.asarray(network(padded[None]), dtype=float)
    if answer.shape != (1, 2, *padded.shape[1:]) or not np.all(np.isfinite(answer)):
        problem = f"answers {answer.shape}" if answer.shape[:2] != (1, 2) else "answers with what is no number"
        raise InputError(terrain.name, "network", problem, "use a network of the task energy_map")
    logs = answer[0, :, :ny, :nx]
    factor, upper = np.exp(logs[0]), np.exp(np.maximum(logs[0], logs[1]))
    return Prediction(np.where(unknown, np.nan, factor), np.where(unknown, np.nan, upper))
