"""Reading a terrain file of any accepted format."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from shapely.geometry import Polygon

from rover_energy.errors import InputError
from rover_energy.terrain.bspline import FloatArray
from rover_energy.terrain.raster import Terrain

GEOTIFF_SUFFIXES = (".tif", ".tiff")
ASCII_SUFFIXES = (".asc", ".grd", ".agr")
NPZ_SUFFIXES = (".npz",)
MAXIMUM_NODES = 36_000_000  # 6000 x 6000: beyond it the smoothed copy and its spline need gigabytes


def load_terrain(path: str | Path, *, band: int = 1) -> Terrain:
    """Read a terrain from a GeoTIFF, an Esri ASCII grid or an `.npz`, chosen by the file's suffix.

    Parameters
    ----------
    path : str or Path
        `.tif`, `.tiff`; `.asc`, `.grd`, `.agr`; or `.npz`.
    band : int
        Band that holds the heights, from 1; only a GeoTIFF has more than one.

    Returns
    -------
    Terrain
        Heights [m] with NaN for no data, rows south to north, in the file's own coordinates, a node at each pixel's centre.

    Raises
    ------
    InputError
        The file is missing, of an unknown kind, damaged, in degrees, rotated, not square-celled, too small or without data.
    MissingExtraError
        A GeoTIFF is asked for and rasterio is not installed.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in GEOTIFF_SUFFIXES + ASCII_SUFFIXES + NPZ_SUFFIXES:
        raise InputError(str(path), "suffix", "is no known terrain format", "give .tif, .tiff, .asc, .grd, .agr or .npz", suffix)
    if not file.is_file():
        problem = "is a folder" if file.is_dir() else "does not exist"
        raise InputError(str(path), "file", problem, "give the path of a terrain file")
    if suffix in GEOTIFF_SUFFIXES:
        from rover_energy.terrain.geotiff import read_geotiff

        return read_geotiff(file, band=band)
    if band != 1:
        raise InputError(str(path), "band", f"a {suffix} file has one band", "leave the band at 1", band)
    if suffix in ASCII_SUFFIXES:
        from rover_energy.terrain.ascii_grid import read_ascii_grid

        return read_ascii_grid(file)
    from rover_energy.terrain.npz import read_npz

    return read_npz(file)


def terrain_from_file(
    file: Path, height: FloatArray, x0: float, y0: float, cell: float, name: str = "", keep_outs: Sequence[Polygon] = ()
) -> Terrain:
    """Terrain whose complaints name the file [m]; its name is the file's stem unless given."""
    try:
        return Terrain(height, x0, y0, cell, name or file.stem, tuple(keep_outs))
    except InputError as error:
        raise InputError(str(file), error.field, error.problem, error.remedy, error.value) from None


def check_node_count(file: Path, columns: int, rows: int) -> None:
    """Refuse a grid that would not fit in memory, before reading it."""
    if not (columns * rows <= MAXIMUM_NODES):
        raise InputError(
            str(file), "size", f"{columns} x {rows} nodes exceed {MAXIMUM_NODES}",
            "cut out the area of the traverse, for instance with gdal_translate -projwin",
        )  # fmt: skip


def square_cell(file: Path, width: float, height: float, nodes: int) -> float:
    """Cell size [m] of pixels that are square to within a hundredth of a cell over the whole grid."""
    if not (width > 0.0 and height > 0.0 and math.isfinite(width) and math.isfinite(height)):
        raise InputError(str(file), "cell", "is not a positive length", "check the file's georeference", (width, height))
    cell = 0.5 * (width + height)
    if not (abs(width - height) * nodes <= 0.02 * cell):
        raise InputError(
            str(file), "cell", f"is not square, {width:.9g} x {height:.9g} m", "resample to square cells, e.g. gdalwarp -tr c c"
        )
    return cell
