"""Terrain from and to NumPy's `.npz`: the format that holds everything a `Terrain` does."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import Polygon

from rover_energy.errors import InputError
from rover_energy.terrain.loading import check_node_count, terrain_from_file
from rover_energy.terrain.raster import Terrain, polygons_from_rings


def read_npz(path: Path) -> Terrain:
    """Read a terrain from an `.npz`. Pickled objects are refused.

    Keys: `height` (ny, nx) [m], rows south to north, NaN (or infinite) for no data; `cell` [m]; optional `x0`, `y0` [m] of the
    first node (0), `name` (the file's stem), `keep_outs`: rows (ring number, x, y) [m] of all rings one after another, or
    (n, k, 2) for n rings of k points.

    Raises InputError when the file is damaged, a key is missing or has the wrong shape, or the grid is unusable.
    """
    arrays = _read_arrays(path)
    for key in ("height", "cell"):
        if key not in arrays:
            raise InputError(str(path), key, "is missing", f"store an array named {key}")
    height = _numbers(path, "height", arrays["height"])
    if height.ndim == 2:
        check_node_count(path, height.shape[1], height.shape[0])
    height = np.where(np.isfinite(height), height, np.nan)
    cell, x0, y0 = (_scalar(path, key, arrays.get(key, np.zeros(()))) for key in ("cell", "x0", "y0"))
    name = str(arrays["name"]) if "name" in arrays else ""
    keep_outs = _polygons(path, arrays["keep_outs"]) if "keep_outs" in arrays else ()
    return terrain_from_file(path, height, x0, y0, cell, name, keep_outs)


def write_npz(path: str | Path, terrain: Terrain) -> None:
    """Write a terrain as a compressed `.npz` that `read_npz` reads back without loss.

    Raises InputError when a keep-out has a hole, the suffix is not `.npz`, or the file cannot be written.
    """
    if Path(path).suffix.lower() != ".npz":
        raise InputError(str(path), "suffix", "is not .npz", "name the file with the suffix .npz", Path(path).suffix)
    rows = [np.zeros((0, 3))]
    for index, polygon in enumerate(terrain.keep_outs):
        if polygon.interiors:
            raise InputError(str(path), f"keep_outs[{index}]", "has a hole", "split the polygon into simple rings")
        ring = np.asarray(polygon.exterior.coords)[:-1, :2]
        rows.append(np.column_stack([np.full(len(ring), float(index)), ring]))
    try:
        np.savez_compressed(
            path, height=terrain.height, x0=terrain.x0, y0=terrain.y0, cell=terrain.cell, name=terrain.name,
            keep_outs=np.concatenate(rows),
        )  # fmt: skip
    except OSError as error:
        raise InputError(str(path), "file", f"cannot be written ({error.strerror})", "give a writable path") from None


def _read_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(str(path), "file", f"cannot be read as .npz ({reason})", "write it with numpy.savez") from None


def _numbers(path: Path, key: str, array: NDArray[np.generic]) -> NDArray[np.float64]:
    if array.dtype.kind not in "iuf":
        raise InputError(str(path), key, f"has type {array.dtype}, not real numbers", "store numbers in metres")
    return np.asarray(array, dtype=np.float64)


def _scalar(path: Path, key: str, array: NDArray[np.generic]) -> float:
    numbers = _numbers(path, key, array)
    if numbers.size != 1:
        raise InputError(str(path), key, f"has shape {numbers.shape}, not one number", "store one number in metres")
    return float(numbers.reshape(()))


def _polygons(path: Path, array: NDArray[np.generic]) -> tuple[Polygon, ...]:
    points = _numbers(path, "keep_outs", array)
    rings: list[ArrayLike]
    if points.ndim == 3 and points.shape[2] == 2:
        rings = list(points)
    elif points.ndim == 2 and points.shape[1] == 3:
        rings = [points[points[:, 0] == index, 1:] for index in np.unique(points[:, 0])]
    elif points.size == 0:
        rings = []
    else:
        raise InputError(
            str(path), "keep_outs", f"has shape {points.shape}", "store rows of ring number, x, y, or an (n, k, 2) array"
        )
    return polygons_from_rings(rings, str(path))
