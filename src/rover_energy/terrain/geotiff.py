"""Terrain from a GeoTIFF, with rasterio (extra `terrain`)."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from rover_energy.errors import InputError, MissingExtraError
from rover_energy.terrain.bspline import FloatArray
from rover_energy.terrain.loading import check_node_count, square_cell, terrain_from_file
from rover_energy.terrain.raster import Terrain

_METRE_NAMES = {"", "m", "metre", "metres", "meter", "meters"}


def read_geotiff(path: Path, *, band: int = 1) -> Terrain:
    """Read one band of a GeoTIFF as heights.

    Parameters
    ----------
    path : Path
        North-up or south-up, square cells, in a projected system in metres, or in none.
    band : int
        From 1. The band's scale and offset are applied; its nodata value, mask and non-finite values become NaN.

    Returns
    -------
    Terrain
        A node at each pixel's centre, in the file's own coordinates [m].

    Raises
    ------
    InputError
        Unreadable or truncated file, no such band, degrees or another unit, rotation, cells that are not square, no
        georeference, too few or too many cells, no valid height.
    MissingExtraError
        rasterio is not installed.
    """
    try:
        import rasterio
        from rasterio.errors import NotGeoreferencedWarning, RasterioError
    except ImportError:
        raise MissingExtraError("rasterio", "terrain", f"reading {path}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # said below, as an error
            with rasterio.open(path) as dataset:
                _check_band(path, dataset, band)
                _check_reference(path, dataset)
                check_node_count(path, dataset.width, dataset.height)
                height = _read_band(dataset, band)
                transform = dataset.transform
    except RasterioError as error:
        reason = " ".join(str(error).split())
        raise InputError(str(path), "file", f"cannot be read as a GeoTIFF ({reason})", "get an undamaged copy") from None
    rows, columns = height.shape
    cell = square_cell(path, transform.a, abs(transform.e), max(rows, columns))
    north_up = transform.e < 0.0
    first_row = rows - 0.5 if north_up else 0.5
    return terrain_from_file(
        path, height[::-1] if north_up else height, transform.c + 0.5 * cell, transform.f + first_row * transform.e, cell
    )


def _check_band(path: Path, dataset: Any, band: int) -> None:
    if not (1 <= band <= dataset.count):
        raise InputError(str(path), "band", f"the file has bands 1 .. {dataset.count}", "choose one of them", band)
    if np.dtype(dataset.dtypes[band - 1]).kind not in "iuf":
        raise InputError(str(path), "band", "does not hold real numbers", "choose the band of heights", band)
    unit = (dataset.units[band - 1] or "").strip()
    if unit.lower() not in _METRE_NAMES:
        raise InputError(str(path), f"unit of band {band}", "is not metres", "convert the heights to metres", unit)


def _check_reference(path: Path, dataset: Any) -> None:
    transform, crs = dataset.transform, dataset.crs
    if transform.is_identity:
        raise InputError(
            str(path), "georeference", "is missing, so the cell size is unknown", "set it with gdal_edit.py -a_ullr (metres)"
        )
    if crs and crs.is_geographic:
        raise InputError(
            str(path), "coordinate system", "is in degrees", "project to metres, for instance with gdalwarp -t_srs",
        )  # fmt: skip
    if crs:
        unit, factor = crs.linear_units_factor
        if not math.isclose(factor, 1.0, rel_tol=1e-9):
            raise InputError(str(path), "coordinate system", "is not in metres", "reproject to metres with gdalwarp", unit)
    if transform.b != 0.0 or transform.d != 0.0 or not (transform.a > 0.0):
        raise InputError(
            str(path), "georeference", "is rotated, sheared or mirrored", "resample north-up with gdalwarp",
        )  # fmt: skip


def _read_band(dataset: Any, band: int) -> FloatArray:
    values = dataset.read(band, masked=True)
    scale, offset = dataset.scales[band - 1], dataset.offsets[band - 1]
    height = np.ma.filled(values.astype(np.float64), np.nan) * scale + offset
    height[~np.isfinite(height)] = np.nan
    return np.asarray(height, dtype=np.float64)
